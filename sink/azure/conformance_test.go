package azure_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/objects/azure/azuretest"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/azure"
	"github.com/weirstreams/weir/sink/file"
)

func newStore(t *testing.T) *objecttest.Store {
	t.Helper()
	store, at, wrong := azuretest.Store(t)
	store.Sink = func(prefix string, o file.Options[*string, *string]) sink.TwoPhase[*string, *string] {
		return azure.New(at(prefix), o)
	}
	store.UnreachableSink = func() sink.TwoPhase[*string, *string] { return azure.New(wrong, azure.Options[*string, *string]{}) }
	return store
}

func TestTheSinkKeepsItsPromises(t *testing.T) { objecttest.RunSink(t, newStore(t)) }

func TestTheSinkLosesNothingWhenTheStoreFails(t *testing.T) { objecttest.RunSinkFaults(t, newStore(t)) }
