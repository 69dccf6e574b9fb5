package s3_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/internal/objects/killtest"
	"github.com/weirstreams/weir/internal/objects/s3/s3test"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/s3"
	"github.com/weirstreams/weir/source"
	sources "github.com/weirstreams/weir/source/s3"
)

var killed = killtest.Store{
	Open: func(p killtest.Place, prefix string) *objects.Bucket { return below(p, prefix).Open() },
	Source: func(p killtest.Place, prefix string, o sources.Options[string, int]) source.Source[string, int] {
		return sources.New(below(p, prefix), o)
	},
	Sink: func(p killtest.Place, prefix string, o file.Options[string, int]) sink.TwoPhase[string, int] {
		return s3.New(below(p, prefix), o)
	},
}

func below(p killtest.Place, prefix string) s3.Bucket {
	b := s3test.Named(p.Endpoint, p.Name)
	b.Prefix = prefix
	return b
}

func TestMain(m *testing.M) { killtest.Main(m, killed) }

func TestKilledMembersWriteEachRecordOnce(t *testing.T) {
	b := s3test.New(t)
	killtest.Run(t, killed, killtest.Place{Endpoint: b.Endpoint, Name: b.Name})
}
