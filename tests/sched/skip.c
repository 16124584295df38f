/* Stands in for an oracle test that could not be built: the skip shows in the report. */
#include <stdio.h>

int main(void)
{
    puts("SKIP: built without " WHAT);
    return 77;
}
