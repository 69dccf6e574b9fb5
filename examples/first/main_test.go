package main

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/testkit"
)

func TestWordsAreCounted(t *testing.T) {
	d := testkit.New(t, topology(), testkit.Config{})
	d.Input(lines).Send("", "to be or not to be", time.UnixMilli(0))
	d.Output(counts).ExpectValues(1, 1, 1, 1, 2, 2)
}
