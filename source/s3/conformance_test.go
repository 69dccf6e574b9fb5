package s3_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/internal/objects/s3/s3test"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/source/s3"
)

func newStore(t *testing.T) *objecttest.Store {
	t.Helper()
	store, at, wrong := s3test.Store(t)
	store.Source = func(prefix string, o file.Options[*string, *string]) source.Source[*string, *string] {
		return s3.New(at(prefix), o)
	}
	store.UnreachableSource = func() source.Source[*string, *string] { return s3.New(wrong, s3.Options[*string, *string]{}) }
	return store
}

func TestTheSourceKeepsItsPromises(t *testing.T) { objecttest.RunSource(t, newStore(t)) }

func TestTheSourceLosesNothingWhenTheStoreFails(t *testing.T) {
	objecttest.RunSourceFaults(t, newStore(t))
}
