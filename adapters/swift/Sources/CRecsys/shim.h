/* recsys.h as `make install` or `cmake --install` of adapters/c put it on the include path. */
#include <recsys.h>
