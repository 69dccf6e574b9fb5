// Package lint checks programs that use Weir. It is a module of its own, so that the core does not depend on the analysis
// framework.
//
// [Unused] finds definitions that are made and thrown away. Run it with go vet:
//
//	go install github.com/weirstreams/weir/lint/cmd/weirlint@latest
//	go vet -vettool=$(which weirlint) ./...
//
// or as a plugin of golangci-lint: see package golangci.
package lint
