package clone_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/clone"
)

type inner struct{ N []int }

type outer struct {
	Name   string
	At     time.Time
	Inner  *inner
	Any    any
	Array  [2]*int
	ByName map[string][]byte
}

func example() *outer {
	one, two := 1, 2
	return &outer{
		Name: "a", At: time.Unix(1, 2), Inner: &inner{[]int{1, 2}}, Any: map[string]any{"x": []any{1, "b", nil}},
		Array: [2]*int{&one, &two}, ByName: map[string][]byte{"k": []byte("v"), "nil": nil},
	}
}

func TestACopyIsEqualAndSharesNothing(t *testing.T) {
	original := example()
	got := clone.For[*outer]()(original)
	if diff := cmp.Diff(original, got); diff != "" {
		t.Errorf("copy (-original +copy):\n%s", diff)
	}
	got.Name = "changed"
	got.Inner.N[0] = 99
	got.Any.(map[string]any)["x"].([]any)[0] = 99
	*got.Array[0] = 99
	got.ByName["k"][0] = 'X'
	got.ByName["new"] = nil
	if diff := cmp.Diff(example(), original); diff != "" {
		t.Errorf("original after the copy was changed (-want +got):\n%s", diff)
	}
}

func TestNilStaysNil(t *testing.T) {
	if clone.For[*outer]()(nil) != nil || clone.For[map[string]int]()(nil) != nil || clone.For[[]int]()(nil) != nil || clone.For[any]()(nil) != nil {
		t.Error("a nil is not nil any more")
	}
}

type counted struct{ copies int }

func (c *counted) Clone() *counted { return &counted{c.copies + 1} }

func TestATypeCopiesItself(t *testing.T) {
	f := clone.For[*counted]()
	if got := f(f(&counted{})); got.copies != 2 {
		t.Errorf("%d copies, want 2", got.copies)
	}
	if f(nil) != nil {
		t.Error("a nil is not nil any more")
	}
}

func TestAnInterfaceIsCopiedByWhatItHolds(t *testing.T) {
	original := any(map[string]any{"a": map[string]any{"b": 1}})
	got := clone.For[any]()(original)
	got.(map[string]any)["a"].(map[string]any)["b"] = 2
	if n := original.(map[string]any)["a"].(map[string]any)["b"]; n != 1 {
		t.Errorf("the original has %v", n)
	}
}
