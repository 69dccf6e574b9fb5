package testkit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func TestRunReturnsWhatWouldHaveFailedATest(t *testing.T) {
	var invalid *stream.ValidationError
	if err := testkit.Run(stream.NewTopology(), testkit.Config{}, func(*testkit.Driver) { t.Error("called") }); !errors.As(err, &invalid) {
		t.Errorf("invalid topology: %v, want a ValidationError", err)
	}

	broken := stream.NewTopology()
	broken.From(sales).Map(func(sale) int { panic("no") }).To(totals)
	var failed *weir.ProcessingError
	err := testkit.Run(broken, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(sales).Send("x", sale{"a", 3}, at(100))
		t.Error("goes on after an error")
	})
	if !errors.As(err, &failed) {
		t.Errorf("broken topology: %v, want a ProcessingError", err)
	}

	err = testkit.Run(shops(), testkit.Config{}, func(d *testkit.Driver) {
		d.Output(totals).ExpectValues(1)
		d.Output(hours).ExpectValues()
	})
	if err == nil || !strings.Contains(err.Error(), `topic "totals"`) {
		t.Errorf("unexpected output: %v", err)
	}
	if err := testkit.Run(shops(), testkit.Config{}, func(*testkit.Driver) {}); err != nil {
		t.Errorf("nothing wrong: %v", err)
	}
}
