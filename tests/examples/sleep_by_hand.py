import sys

import times

times.check([sys.argv[1], "20"], 4, 0.020)
