package measure

import (
	"strings"
	"testing"
	"time"
)

type tree struct {
	Name     string
	Children []*tree
	Any      any
}

// An estimate is near what a value refers to, of any shape, and bounded for what refers to itself.
func TestMeasureIsNearWhatAValueRefersTo(t *testing.T) {
	text := strings.Repeat("x", 1000)
	loop := &tree{Name: text}
	loop.Children = []*tree{loop}
	type point struct{ X, Y float64 }
	check := func(name string, got, least, most int) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("%s: %d bytes, want %d to %d", name, got, least, most)
		}
	}
	if Of[point]().Refers() || Of[[3]int]().Refers() || Of[time.Duration]().Refers() {
		t.Error("a value that refers to nothing is measured")
	}
	measured := func(v any) int { return Of[any]().Bytes(&v) }
	check("string", measured(text), 1000, 1100)
	check("nil", measured(nil), 0, 0)
	check("bytes", measured(make([]byte, 500, 1000)), 1000, 1100)
	check("points", measured(make([]point, 100)), 1600, 1700)
	check("strings", measured([]string{text, text, text}), 3000, 3200)
	check("many strings", measured(strings.Split(strings.Repeat(text+",", 99)+text, ",")), 95_000, 110_000)
	check("map of ints", measured(map[int]int{1: 1, 2: 2}), 32, 100)
	check("map of strings", measured(map[string]string{text: text}), 2000, 2200)
	check("map of anything", measured(map[string]any{"a": text, "b": 1}), 1000, 1400)
	check("pointer", measured(&text), 1016, 1100)
	check("pointer-shaped struct", measured(struct{ P *string }{&text}), 1016, 1100)
	check("nil pointer", measured((*tree)(nil)), 0, 0)
	check("array", measured([2]string{text, text}), 2000, 2200)
	check("tree", measured(tree{Name: text, Children: []*tree{{Name: text}}, Any: text}), 3000, 3300)
	check("loop", measured(loop), 1000, 10_000)
	check("time", measured(time.Now()), 24, 5000)
}
