package source_test

import (
	"slices"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/sourcetest"
)

// FromSeq reads by Func, so the kit runs on both.
func TestASequenceKeepsThePromisesOfSources(t *testing.T) {
	type record = weir.Record[*string, *string]
	places := map[string][]record{}
	sourcetest.Run(t, sourcetest.System[*string, *string]{
		New: func(_ testing.TB, place string) source.Source[*string, *string] {
			return source.FromSeq(slices.Values(places[place]))
		},
		Fill: func(_ testing.TB, place string, items []sourcetest.Item) {
			for _, i := range items {
				key, value := i.Pointers()
				places[place] = append(places[place], record{Key: key, Value: value})
			}
		},
		Item:    func(r record) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
		Bounded: true,
	})
}
