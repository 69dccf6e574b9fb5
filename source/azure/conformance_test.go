package azure_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/objects/azure/azuretest"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/azure"
	"github.com/weirstreams/weir/source/file"
)

func newStore(t *testing.T) *objecttest.Store {
	t.Helper()
	store, at, wrong := azuretest.Store(t)
	store.Source = func(prefix string, o file.Options[*string, *string]) source.Source[*string, *string] {
		return azure.New(at(prefix), o)
	}
	store.UnreachableSource = func() source.Source[*string, *string] { return azure.New(wrong, azure.Options[*string, *string]{}) }
	return store
}

func TestTheSourceKeepsItsPromises(t *testing.T) { objecttest.RunSource(t, newStore(t)) }

func TestTheSourceLosesNothingWhenTheStoreFails(t *testing.T) {
	objecttest.RunSourceFaults(t, newStore(t))
}
