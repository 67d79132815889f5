import sys

import times

times.check([sys.argv[1], "20"], 5, 0.020)
