package protobuf_test

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/protobuf"
	"github.com/weirstreams/weir/codec/protobuf/internal/rootpb"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func TestATopologyReadsAndWritesMessagesOfARegistry(t *testing.T) {
	_, client := startRegistry(t)
	roots := registry.Of(client, protobuf.Message[*rootpb.Root](protobuf.Options{}), registry.Options{})
	in, out := stream.NewTopic("in", codec.String(), roots), stream.NewTopic("out", codec.String(), roots)
	topology := stream.NewTopology()
	topology.From(in).Map(func(r *rootpb.Root) *rootpb.Root {
		if r == nil || r.GetName() == "" {
			return nil
		}
		return &rootpb.Root{Name: r.GetName(), Id: r.GetId() + 1}
	}).To(out)

	d := testkit.New(t, topology, testkit.Config{})
	at := time.UnixMilli(1000).UTC()
	d.Input(in).Send("k", &rootpb.Root{Name: "a", Id: 1}, at)
	d.Input(in).Send("k", &rootpb.Root{}, at)
	got := d.Output(out).Read()
	if len(got) != 2 || !got[1].ValueNull {
		t.Fatalf("got %+v", got)
	}
	same(t, "message", &rootpb.Root{Name: "a", Id: 2}, got[0].Value)
}
