package gcs_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/objects/gcs/gcstest"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/gcs"
)

func newStore(t *testing.T) *objecttest.Store {
	t.Helper()
	store, at, wrong := gcstest.Store(t)
	store.Sink = func(prefix string, o file.Options[*string, *string]) sink.TwoPhase[*string, *string] {
		return gcs.New(at(prefix), o)
	}
	store.UnreachableSink = func() sink.TwoPhase[*string, *string] { return gcs.New(wrong, gcs.Options[*string, *string]{}) }
	return store
}

func TestTheSinkKeepsItsPromises(t *testing.T) { objecttest.RunSink(t, newStore(t)) }

func TestTheSinkLosesNothingWhenTheStoreFails(t *testing.T) { objecttest.RunSinkFaults(t, newStore(t)) }
