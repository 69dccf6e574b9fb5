package sinktest_test

import "testing"

func TestTheSinkOfTheExample(t *testing.T) { keepsItsPromises(t) }
