package azure_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/internal/objects/azure/azuretest"
	"github.com/weirstreams/weir/internal/objects/killtest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/azure"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/source"
	sources "github.com/weirstreams/weir/source/azure"
)

var killed = killtest.Store{
	Open: func(p killtest.Place, prefix string) *objects.Bucket { return below(p, prefix).Open() },
	Source: func(p killtest.Place, prefix string, o sources.Options[string, int]) source.Source[string, int] {
		return sources.New(below(p, prefix), o)
	},
	Sink: func(p killtest.Place, prefix string, o file.Options[string, int]) sink.TwoPhase[string, int] {
		return azure.New(below(p, prefix), o)
	},
}

func below(p killtest.Place, prefix string) azure.Container {
	c := azuretest.Named(p.Endpoint, p.Name)
	c.Prefix = prefix
	return c
}

func TestMain(m *testing.M) { killtest.Main(m, killed) }

func TestKilledMembersWriteEachRecordOnce(t *testing.T) {
	c := azuretest.New(t)
	killtest.Run(t, killed, killtest.Place{Endpoint: c.Endpoint, Name: c.Name})
}
