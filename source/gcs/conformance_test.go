package gcs_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/objects/gcs/gcstest"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/source/gcs"
)

func newStore(t *testing.T) *objecttest.Store {
	t.Helper()
	store, at, wrong := gcstest.Store(t)
	store.Source = func(prefix string, o file.Options[*string, *string]) source.Source[*string, *string] {
		return gcs.New(at(prefix), o)
	}
	store.UnreachableSource = func() source.Source[*string, *string] { return gcs.New(wrong, gcs.Options[*string, *string]{}) }
	return store
}

func TestTheSourceKeepsItsPromises(t *testing.T) { objecttest.RunSource(t, newStore(t)) }

func TestTheSourceLosesNothingWhenTheStoreFails(t *testing.T) {
	objecttest.RunSourceFaults(t, newStore(t))
}
