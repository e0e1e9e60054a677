"""Images and labels for a study.

A kind of data, see `section`, loads training and validation images; test images are sealed in what it gives, and a
search never asks for them.

stored         images in a file, read when they are asked for
split          what every source gives: splits of images
hub            data sets of the Hugging Face hub
progress       how far long work on data has come
section        the section of a study that says where images come from
summary        what a dataset holds, in a few lines
external       no images, for training code that has its own
files          files below a folder, and what their names say
pixels         from the bytes of an image to numbers
folders        the cache folder, and folders that appear whole
digests        what a source holds, as numbers
source         what an encoded source gives
decoder        a whole source decoded into files
cache          decoded images, kept
options        how images are decoded and split
drawing        splits drawn class by class
digits         handwritten digits, which scikit-learn carries
notes          what a dataset says of itself
same_images    images that stand in several splits, or under several labels
assembly       a dataset from encoded sources
class_folders  image files in a folder for each class, as a source
image_folder   a folder of images for each class
imported       images from a function of the user's
columns        the columns of parquet files
class_naming   class names of parquet files, which may differ in their order
shards         parquet files as a source of encoded images
parquet_files  which parquet files belong to which split
parquet        encoded images in columns of parquet files
augment        random changes to training images
loader         batches of a dataset on a device
"""

from __future__ import annotations

from attnspace.data.digits import DigitsConfig
from attnspace.data.external import ExternalConfig
from attnspace.data.image_folder import ImageFolderConfig
from attnspace.data.imported import ImportedConfig
from attnspace.data.parquet import ParquetConfig
from attnspace.data.progress import Watch, progress_bar
from attnspace.data.section import Data
from attnspace.data.split import Dataset, DataSplit
from attnspace.data.summary import facts, summary

__all__ = [
    "Data",
    "DataSplit",
    "Dataset",
    "DigitsConfig",
    "ExternalConfig",
    "ImageFolderConfig",
    "ImportedConfig",
    "ParquetConfig",
    "Watch",
    "facts",
    "progress_bar",
    "summary",
]
