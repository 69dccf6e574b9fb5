package s3_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/internal/objects/s3/s3test"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/s3"
)

func newStore(t *testing.T) *objecttest.Store {
	t.Helper()
	store, at, wrong := s3test.Store(t)
	store.Sink = func(prefix string, o file.Options[*string, *string]) sink.TwoPhase[*string, *string] {
		return s3.New(at(prefix), o)
	}
	store.UnreachableSink = func() sink.TwoPhase[*string, *string] { return s3.New(wrong, s3.Options[*string, *string]{}) }
	return store
}

func TestTheSinkKeepsItsPromises(t *testing.T) { objecttest.RunSink(t, newStore(t)) }

func TestTheSinkLosesNothingWhenTheStoreFails(t *testing.T) { objecttest.RunSinkFaults(t, newStore(t)) }
