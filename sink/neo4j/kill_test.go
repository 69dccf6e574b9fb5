package neo4j_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/neo4j"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that writes each record of a topic to two places: the newest value of each key, and a sum of all of them with a node for each.
type pipeline struct {
	killtest.Member
	Topic, Address, Password, Label string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) topic() stream.Topic[string, int] {
	return stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]())
}

// replaceLabel puts a label into a query.
func replaceLabel(query, label string) string {
	return strings.ReplaceAll(query, "LABEL", neo4j.Quote(label))
}

// addOnce adds a number to the sum of its partition, unless its record has been there.
const addOnce = `OPTIONAL MATCH (done:LABEL {origin: __origin}) WITH * WHERE done IS NULL
CREATE (:LABEL {origin: __origin, n: event.value})
MERGE (s:SUM {partition: __partition}) SET s.sum = coalesce(s.sum, 0) + event.value`

func (p *pipeline) run() error {
	place := &place{address: p.Address, password: p.Password}
	t := stream.NewTopology()
	numbers := t.From(p.topic())
	newest := optionsOf[string, int](place, p.Label+"Newest")
	newest.MaxRecords = 37
	numbers.Sink("newest", neo4j.New(newest))
	all := queryOf[string, int](place, strings.ReplaceAll(replaceLabel(addOnce, p.Label), "SUM", neo4j.Quote(p.Label+"Sum")))
	all.Unique = []neo4j.Unique{{Label: p.Label, Property: "origin"}, {Label: p.Label + "Sum", Property: "partition"}}
	all.MaxRecords, all.Password = 53, secret.New(p.Password)
	numbers.Sink("all", neo4j.New(all))
	return p.Run(t)
}

// TestKilledPipelinesWriteEachRecordOnce kills a process again and again that writes nodes. Those of keys must have the newest values, there must be one node for each
// record, and the sums must be right.
func TestKilledPipelinesWriteEachRecordOnce(t *testing.T) {
	place := newPlace(t)
	k := kafkatest.Start(t)
	kills := longtest.Cases(2, 8)
	const keys = 7
	total := 600 * kills
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: place.label},
		Topic:  k.Topic(t, "numbers", 3), Address: place.address, Password: place.password, Label: place.label,
	}
	newest := map[any]map[string]any{}
	for key := range keys {
		newest[fmt.Sprint("key", key)] = map[string]any{"value": int64(total - 1 - (total-1-key)%keys)}
	}
	defer p.SendBeside(t, p.topic(), total, keys)()
	killtest.Run(t, p, killtest.Plan{
		Kills: kills, Total: total, Step: 300,
		Progress: func() int {
			n := place.number(t, "MATCH (n:"+neo4j.Quote(p.Label)+") RETURN count(n)")
			if n == total && !cmp.Equal(newest, place.nodes(t, p.Label+"Newest")) {
				return total - 1 // the newest values come as late
			}
			return n
		},
	})
	if diff := cmp.Diff(newest, place.nodes(t, p.Label+"Newest")); diff != "" {
		t.Errorf("%d kills: the newest values (-want +got):\n%s", kills, diff)
	}
	if n := place.number(t, "MATCH (n:"+neo4j.Quote(p.Label)+") RETURN count(DISTINCT n.n)"); n != total {
		t.Errorf("%d kills: %d numbers, want %d", kills, n, total)
	}
	if got, want := place.number(t, "MATCH (n:"+neo4j.Quote(p.Label+"Sum")+") RETURN sum(n.sum)"), total*(total-1)/2; got != want {
		t.Errorf("%d kills: the sum is %d, want %d", kills, got, want)
	}
}
