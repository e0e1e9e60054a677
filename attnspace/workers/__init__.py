"""Workers: where trainings happen.

devices     which devices a study means
threads     how many CPU threads torch uses
job         what a worker is handed, and the row that it hands back
trainer     trains one job after the other, in this process
pool        takes jobs and gives back rows; one in this process
worker      the life of one of these processes
processes   a pool of several processes
sizing      how many workers a study gets
"""

__all__: list[str] = []
