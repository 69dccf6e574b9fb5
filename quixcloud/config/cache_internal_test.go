package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kept returns the names of contents that are at hand.
func kept(contents map[string]*content) map[string]bool {
	names := map[string]bool{}
	for name, c := range contents {
		if c.loaded.Load() != nil {
			names[name] = true
		}
	}
	return names
}

func TestTheCacheDropsContentsThatWereNotUsedForLongest(t *testing.T) {
	k := newCache(3, 100)
	contents := map[string]*content{}
	put := func(name string, bytes int) {
		if contents[name] == nil {
			contents[name] = &content{}
		}
		k.put(contents[name], newLoaded([]byte(strings.Repeat("x", bytes))))
	}
	want := func(step string, bytes int64, names ...string) {
		t.Helper()
		all := map[string]bool{}
		for _, name := range names {
			all[name] = true
		}
		if diff := cmp.Diff(all, kept(contents)); diff != "" {
			t.Errorf("%s: %s", step, diff)
		}
		if got := k.statistics(); got.Size != len(names) || got.Bytes != bytes || got.MaxSize != 3 || got.MaxBytes != 100 {
			t.Errorf("%s: %+v, want %d contents with %d bytes", step, got, len(names), bytes)
		}
	}
	put("a", 10)
	put("b", 20)
	put("c", 30)
	k.hit(contents["a"])
	put("d", 5)
	want("too many", 45, "a", "c", "d")
	put("c", 50)
	want("replaced", 65, "a", "c", "d")
	put("e", 60)
	want("too many bytes", 60, "e")
	put("f", 1000)
	want("a single content that is too large", 1000, "f")
	put("g", 7)
	want("the large one goes first", 7, "g")
	k.hit(contents["a"])
	k.drop(contents["a"])
	want("a content that is not there", 7, "g")
	k.drop(contents["g"])
	want("dropped", 0)
	k.miss()
	if got := k.statistics(); got.Hits != 2 || got.Misses != 1 {
		t.Errorf("%d hits and %d misses, want 2 and 1", got.Hits, got.Misses)
	}
}
