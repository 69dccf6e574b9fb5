package row_test

import (
	"strings"
	"testing"

	"github.com/weirstreams/weir/internal/measure"
	"github.com/weirstreams/weir/row"
)

// Caches and batches bound the memory of rows by this estimate.
func TestTheMemoryOfARowIsThatOfItsTexts(t *testing.T) {
	text := strings.Repeat("x", 1000)
	for name, c := range map[string]struct {
		r           row.Row
		least, most int
	}{
		"numbers":     {row.New(row.F("a", 1), row.F("b", 2.5)), 80, 200},
		"a text":      {row.New(row.F("a", text)), 1000, 1200},
		"a list":      {row.New(row.F("a", row.List(row.String(text), row.Int(1), row.String(text)))), 2000, 2300},
		"within rows": {row.New(row.F("a", row.New(row.F("b", row.New(row.F("c", text))))), row.F("d", text)), 2000, 2500},
		"nothing":     {row.Row{}, 0, 0},
	} {
		if got := measure.Of[row.Row]().Bytes(&c.r); got < c.least || got > c.most {
			t.Errorf("%s: %d bytes, want %d to %d", name, got, c.least, c.most)
		}
	}
	v := row.String(text)
	if got := measure.Of[row.Value]().Bytes(&v); got < 1000 || got > 1100 {
		t.Errorf("a value: %d bytes", got)
	}
}
