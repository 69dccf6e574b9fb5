// Package compilecost bounds the work of the compiler for a package that uses Weir. A generic type is compiled in each package
// that mentions it, with its methods that have no type parameters of their own, and with every generic type that these use.
package compilecost

import (
	"bytes"
	"os/exec"
	"testing"

	_ "github.com/weirstreams/weir/internal/compilecost/mention" // so that a cached result counts for these sources alone
)

// budget is the greatest number of functions that the mention of one stream may compile.
const budget = 700

func TestTheMentionOfAStreamCompilesFewFunctions(t *testing.T) {
	// With -S the compiler lists the functions; the build cache keeps the list.
	list, err := exec.Command("go", "build", "-gcflags=-S", "./mention").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, list)
	}
	functions := bytes.Count(list, []byte(" STEXT "))
	t.Logf("%d functions of at most %d", functions, budget)
	if functions > budget || functions < 100 {
		t.Errorf("the mention of a stream compiles %d functions: want 100 to %d. Operators that need stores are generic methods, or functions, "+
			"so that they are compiled only where they are used", functions, budget)
	}
}
