// Weirlint checks programs that use Weir, for go vet -vettool.
package main

import (
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/weirstreams/weir/lint"
)

func main() { unitchecker.Main(lint.Unused) }
