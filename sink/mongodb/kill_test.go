package mongodb_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/mongodb"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that writes each record of a topic to two collections: the newest document of each key, and all of them.
type pipeline struct {
	killtest.Member
	Topic, URI, Database string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) topic() stream.Topic[string, int] {
	return stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]())
}

func (p *pipeline) run() error {
	t := stream.NewTopology()
	numbers := t.From(p.topic())
	numbers.Sink("newest", mongodb.New(mongodb.Options[string, int]{
		URI: secret.New(p.URI), Database: p.Database, Collection: "newest", MaxRecords: 37,
	}))
	numbers.Sink("all", mongodb.New(mongodb.Options[string, int]{
		URI: secret.New(p.URI), Database: p.Database, Collection: "all", Mode: mongodb.Insert, ID: mongodb.OffsetID[string, int], MaxRecords: 53, Unordered: true,
	}))
	return p.Run(t)
}

// TestKilledPipelinesWriteEachDocumentOnce kills a process again and again that writes documents. One collection must have the newest of each key, and the
// other one each record once.
func TestKilledPipelinesWriteEachDocumentOnce(t *testing.T) {
	place := newPlace(t)
	k := kafkatest.Start(t)
	kills := longtest.Cases(3, 10)
	const keys = 7
	total := 600 * kills
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: place.database.Name()},
		Topic:  k.Topic(t, "numbers", 3), URI: uri(place.address), Database: place.database.Name(),
	}
	newest := map[string]string{}
	for key := range keys {
		newest[fmt.Sprint("key", key)] = fmt.Sprintf(` value:{"$numberInt":"%d"}`, total-1-(total-1-key)%keys)
	}
	ctx := t.Context()
	defer p.SendBeside(t, p.topic(), total, keys)()
	killtest.Run(t, p, killtest.Plan{
		Kills: kills, Total: total, Step: 300,
		Progress: func() int {
			n, err := place.database.Collection("all").CountDocuments(ctx, bson.D{})
			must(t, err)
			if int(n) == total && !cmp.Equal(newest, place.documents(t, "newest")) {
				return total - 1 // the newest documents come as late
			}
			return int(n)
		},
	})
	if diff := cmp.Diff(newest, place.documents(t, "newest")); diff != "" {
		t.Errorf("%d kills: the newest documents (-want +got):\n%s", kills, diff)
	}
	got := map[string]int{}
	for _, text := range place.documents(t, "all") {
		got[text]++
	}
	for n := range total {
		if text := fmt.Sprintf(` value:{"$numberInt":"%d"}`, n); got[text] != 1 {
			t.Errorf("%d kills: %s is there %d times", kills, text, got[text])
		}
	}
	if len(got) != total {
		t.Errorf("%d kills: %d documents, want %d", kills, len(got), total)
	}
}
