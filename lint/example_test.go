package lint_test

import (
	"golang.org/x/tools/go/analysis/singlechecker"

	"github.com/weirstreams/weir/lint"
)

// A program that runs the analyzer on the packages of its arguments.
func Example() {
	main := func() { singlechecker.Main(lint.Unused) }
	_ = main
}
