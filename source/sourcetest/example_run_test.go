package sourcetest_test

import "testing"

func TestTheSourceOfTheExample(t *testing.T) { keepsItsPromises(t) }
