"""Print the version of this Python if the package can be built for it, else say why not."""
import os
import sys
import sysconfig

if sys.implementation.name != "cpython" or sys.version_info < (3, 8):
    sys.exit("not CPython 3.8 or newer")
if sys.version_info >= (3, 15):
    sys.exit("newer than 3.14, the last version that is known")
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit("free-threaded")
if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    sys.exit("its headers are not installed")
print("%d.%d%s" % (sys.version_info[0], sys.version_info[1],
                   "-debug" if hasattr(sys, "gettotalrefcount") else ""))
