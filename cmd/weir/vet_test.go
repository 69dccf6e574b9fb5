package main

import (
	"testing"

	"github.com/cockroachdb/datadriven"
)

func TestVet(t *testing.T) {
	t.Parallel()
	datadriven.RunTest(t, "testdata/vet", func(t *testing.T, d *datadriven.TestData) string {
		return shell(t, ".", d.Input, "GOFLAGS=-buildvcs=false")
	})
}
