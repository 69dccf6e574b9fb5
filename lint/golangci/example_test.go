package golangci_test

import (
	"fmt"

	"github.com/weirstreams/weir/lint/golangci"
)

// golangci-lint makes the plugin and asks it for its analyzers.
func Example() {
	plugin, err := golangci.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	analyzers, err := plugin.BuildAnalyzers()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range analyzers {
		fmt.Println(a.Name)
	}
	// Output: weirunused
}
