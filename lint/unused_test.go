package lint_test

import (
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/weirstreams/weir/lint"

	// The samples use these. They are in a folder that go mod tidy does not look at.
	_ "github.com/weirstreams/weir/codec"
	_ "github.com/weirstreams/weir/join"
	_ "github.com/weirstreams/weir/row"
	_ "github.com/weirstreams/weir/store"
	_ "github.com/weirstreams/weir/stream"
	_ "github.com/weirstreams/weir/testkit"
	_ "github.com/weirstreams/weir/window"
)

func TestDefinitionsThatAreThrownAwayAreReported(t *testing.T) {
	analysistest.Run(t, ".", lint.Unused, "./testdata/src/samples")
}
