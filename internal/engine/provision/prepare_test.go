package provision_test

import (
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// prepare runs Prepare for a topology on a cluster with the given topics.
func prepare(t *testing.T, topology *stream.Topology, create bool, exist ...broker.TopicSpec) (*simbroker.Broker, map[string]int32, error) {
	t.Helper()
	if err := topology.Validate(); err != nil {
		t.Fatal(err)
	}
	b := simbroker.New(clock.NewVirtual(time.Unix(0, 0)))
	for _, spec := range exist {
		if spec.Replication == 0 {
			spec.Replication = -1
		}
		if err := b.CreateTopic(spec); err != nil {
			t.Fatal(err)
		}
	}
	topics, err := provision.Prepare(t.Context(), b, graph.NewPlan(topology.Graph(), groupName),
		provision.Options{Create: create, Replication: 2, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return b, nil, err
	}
	return b, topics.Partitions, nil
}

func TestPrepareNamesAllProblemsAtOnce(t *testing.T) {
	userTopics := []broker.TopicSpec{{Name: "orders", Partitions: 3}, {Name: "totals", Partitions: 1}, {Name: "windows", Partitions: 1}}
	with := func(more ...broker.TopicSpec) []broker.TopicSpec { return append(userTopics[:3:3], more...) }
	compact := map[string]string{"cleanup.policy": "compact"}
	for _, c := range []struct {
		name  string
		exist []broker.TopicSpec
		want  [][]string // per problem what it says; nil: none
	}{
		{"all there", userTopics, nil},
		{"none there", nil, [][]string{
			{`"orders"`, "does not exist", "pipeline_test.go:"},
			{`"totals"`, "does not exist", "pipeline_test.go:"},
			{`"windows"`, "does not exist", "pipeline_test.go:"},
		}},
		{"one missing", userTopics[:2], [][]string{{`"windows"`, "does not exist", "pipeline_test.go:"}}},
		{"internal topics there", with(
			broker.TopicSpec{Name: repartition, Partitions: 3}, broker.TopicSpec{Name: totalChangelog, Partitions: 3, Config: compact},
		), nil},
		{"changelog of another size", with(broker.TopicSpec{Name: totalChangelog, Partitions: 2, Config: compact}), [][]string{
			{totalChangelog, "has 3 partitions, and the state behind it was made for 2", "two ways out"},
		}},
		{"changelog that is not compacted", with(broker.TopicSpec{Name: totalChangelog, Partitions: 3}), [][]string{
			{totalChangelog, "cleanup.policy=delete"},
		}},
		{"changelog that is compacted and deleted from", with(
			broker.TopicSpec{Name: totalChangelog, Partitions: 3, Config: map[string]string{"cleanup.policy": "compact,delete"}},
		), [][]string{{totalChangelog, "cleanup.policy=compact,delete"}}},
		{"compacted repartition topic", with(broker.TopicSpec{Name: repartition, Partitions: 3, Config: compact}), [][]string{
			{repartition, "cleanup.policy=compact"},
		}},
		{"several", with(
			broker.TopicSpec{Name: repartition, Partitions: 3, Config: compact}, broker.TopicSpec{Name: totalChangelog, Partitions: 2},
		), [][]string{{totalChangelog, "was made for 2"}, {totalChangelog, "cleanup.policy"}, {repartition, "cleanup.policy"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _, err := prepare(t, pipeline(), false, c.exist...)
			if c.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			problems, ok := errors.AsType[*provision.Error](err)
			if !ok {
				t.Fatalf("error %v, want a TopicError", err)
			}
			if len(problems.Problems) != len(c.want) {
				t.Fatalf("problems %q, want %d", problems.Problems, len(c.want))
			}
			for _, words := range c.want {
				found := false
				for _, p := range problems.Problems {
					all := true
					for _, w := range words {
						all = all && strings.Contains(p, w)
					}
					found = found || all
				}
				if !found {
					t.Errorf("no problem of %q says %q", problems.Problems, words)
				}
			}
			if n := len(b.TopicNames()); n != len(c.exist) {
				t.Errorf("topics %v: some were made although there were problems", b.TopicNames())
			}
		})
	}
}

func TestPrepareMakesTopicsOfTheUserWhenTold(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(orders.WithPartitions(4).WithConfig(map[string]string{"retention.ms": "1000"})).
		To(stream.NewTopic("out", codec.String(), codec.JSON[order]()))
	b, partitions, err := prepare(t, topology, true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(map[string]int32{"orders": 4, "out": 1}, partitions); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	infos, err := b.Topics(t.Context(), "orders", "out")
	if err != nil {
		t.Fatal(err)
	}
	if o := infos["orders"]; o.Partitions != 4 || o.Replication != 2 || o.Config["retention.ms"] != "1000" {
		t.Errorf("made %+v", o)
	}
}

// D-12, D-53.
func TestTopicsOfAStreamWithStateMustHaveEqualNumbersOfPartitions(t *testing.T) {
	build := func(state bool) *stream.Topology {
		topology := stream.NewTopology()
		merged := topology.From(orders).Merge(topology.From(stream.NewTopic("refunds", codec.String(), codec.JSON[order]())))
		if state {
			merged.MapStateRecord(total, sumUp).To(totals)
		} else {
			merged.Peek(func(order) {})
		}
		return topology
	}
	exist := []broker.TopicSpec{{Name: "orders", Partitions: 3}, {Name: "refunds", Partitions: 2}, {Name: "totals", Partitions: 1}}
	if _, _, err := prepare(t, build(true), false, exist...); err == nil ||
		!strings.Contains(err.Error(), `"orders" has 3 (provision/prepare_test.go:`) || !strings.Contains(err.Error(), `"refunds" has 2 (provision/prepare_test.go:`) {
		t.Errorf("error %v does not name the topics and their partitions", err)
	}
	if _, _, err := prepare(t, build(false), false, exist...); err != nil {
		t.Errorf("a stream without state: %v", err)
	}
}

// J-2. The error names the join and its topics, with their lines, and no other topics.
func TestJoinedTopicsMustHaveEqualNumbersOfPartitions(t *testing.T) {
	topology := stream.NewTopology()
	text := func(name string) stream.Topic[string, string] {
		return stream.NewTopic(name, codec.String(), codec.String())
	}
	both := func(l, r string) string { return l + r }
	left := topology.Table(text("left")).Join(topology.Table(text("third")), both)
	topology.From(text("clicks")).JoinTable(topology.Table(text("right")), both).Peek(func(string) {})
	left.Join(topology.Table(text("fourth")), both).Stream().Peek(func(string) {})
	left.JoinForeignKey("far", topology.Table(text("far")), func(row string) (string, bool) { return row, true }, both).Stream().Peek(func(string) {})
	_, _, err := prepare(t, topology, false,
		broker.TopicSpec{Name: "left", Partitions: 4}, broker.TopicSpec{Name: "third", Partitions: 4}, broker.TopicSpec{Name: "fourth", Partitions: 3},
		broker.TopicSpec{Name: "clicks", Partitions: 2}, broker.TopicSpec{Name: "right", Partitions: 5}, broker.TopicSpec{Name: "far", Partitions: 7})
	var problems *provision.Error
	if !errors.As(err, &problems) || len(problems.Problems) != 2 {
		t.Fatalf("got %v", err)
	}
	line := regexp.MustCompile(`provision/prepare_test.go:\d+`)
	for i, want := range []string{
		`the topics that meet in jointables-2, declared at LINE, must have equal numbers of partitions: ` +
			`"left" has 4 (LINE), "third" has 4 (LINE), "fourth" has 3 (LINE);`,
		`the topics that meet in jointable-1, declared at LINE, must have equal numbers of partitions: "clicks" has 2 (LINE), "right" has 5 (LINE);`,
	} {
		if got := line.ReplaceAllString(problems.Problems[i], "LINE"); !strings.HasPrefix(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// The topics between the sides of a foreign-key join have the numbers of partitions of those who read them, also if that is known
// only later. They do not count in the names of stores.
func TestTopicsOfAForeignKeyJoinFitTheSideThatReadsThem(t *testing.T) {
	topology := stream.NewTopology()
	text := func(name string) stream.Topic[string, string] {
		return stream.NewTopic(name, codec.String(), codec.String())
	}
	left := topology.Table(text("left"))
	right := stream.TableOf(topology.From(text("right")).GroupByKeyWith(stream.Repartition[string, string]{Name: "wide", Partitions: 5}), "wide")
	left.JoinForeignKey("far", right, func(row string) (string, bool) { return row, true }, func(l, r string) string { return l + r }).
		Stream().Peek(func(string) {})
	retention := map[string]string{"retention.ms": "1000", "retention.bytes": "10"}
	topics := []broker.TopicSpec{{Name: "left", Partitions: 3, Config: retention}, {Name: "right", Partitions: 2, Config: retention}}
	_, partitions, err := prepare(t, topology, false, topics...)
	if err != nil {
		t.Fatal(err)
	}
	const (
		subscription = "repartition__g--left--far_subscription"
		response     = "repartition__g--repartition.right.wide--far_response"
	)
	want := map[string]int32{
		"left": 3, "right": 2, "repartition__g--right--wide": 5, subscription: 5, response: 3,
		"changelog__g--left--table_left": 3, "changelog__g--left--far": 3,
		"changelog__g--repartition.right.wide--wide": 5, "changelog__g--repartition.right.wide--far_subscriptions": 5,
	}
	if diff := gocmp.Diff(want, partitions); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	_, _, err = prepare(t, topology, false, append(topics, broker.TopicSpec{Name: response, Partitions: 2})...)
	if err == nil || !strings.Contains(err.Error(), `"left" has 3 (`) || !strings.Contains(err.Error(), response+`" has 2 (`) {
		t.Errorf("with another number of partitions: %v", err)
	}
	_, _, err = prepare(t, topology, false, append(topics,
		broker.TopicSpec{Name: subscription, Partitions: 5, Config: map[string]string{"cleanup.policy": "compact"}})...)
	if err == nil || !strings.Contains(err.Error(), subscription+`" has cleanup.policy=compact`) {
		t.Errorf("compacted: %v", err)
	}
}

// D-41, D-55, D-56, D-58.
//
// Names follow the specification. Internal topics have the most partitions and replicas of their inputs, and keep their records
// until they are purged.
func TestInternalTopicsAreNamedAndSetAfterTheirInputs(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b map[string]string
	}{
		{"a finite retention", map[string]string{"retention.ms": "1000", "retention.bytes": "10"}, map[string]string{"retention.ms": "900", "retention.bytes": "11"}},
		{"none", map[string]string{"retention.ms": "-1", "retention.bytes": "-1"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			topology := stream.NewTopology()
			both := topology.From(stream.NewTopic("b", codec.String(), codec.JSON[order]())).
				Merge(topology.From(stream.NewTopic("a", codec.String(), codec.JSON[order]())))
			both.MapStateRecord(total, sumUp).To(totals)
			both.GroupBy("user", func(o order) string { return o.Shop }).MapStateRecord(store.NewCell[int]("total"), sumUp).To(stream.NewTopic("windows", codec.String(), codec.JSON[totalLine]()))
			b, partitions, err := prepare(t, topology, false,
				broker.TopicSpec{Name: "a", Partitions: 4, Replication: 3, Config: c.a},
				broker.TopicSpec{Name: "b", Partitions: 4, Replication: 1, Config: c.b},
				broker.TopicSpec{Name: "totals", Partitions: 1}, broker.TopicSpec{Name: "windows", Partitions: 1})
			if err != nil {
				t.Fatal(err)
			}
			const (
				changelog = "changelog__g--a--b--total"
				grouped   = "repartition__g--a--b--user"
				second    = "changelog__g--repartition.a--b.user--total"
			)
			// The short form of a repartition topic has dots for all double hyphens.
			names := []string{changelog, grouped, strings.Replace(second, "a--b", "a.b", 1)}
			infos, err := b.Topics(t.Context(), names...)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				info, ok := infos[name]
				if !ok || partitions[name] != 4 {
					t.Errorf("topic %s with %d partitions, there are %v", name, partitions[name], b.TopicNames())
					continue
				}
				got := []string{info.Config["retention.ms"], info.Config["retention.bytes"], info.Config["cleanup.policy"]}
				policy := "compact"
				if name == grouped {
					policy = "delete"
				}
				if diff := gocmp.Diff([]string{"-1", "-1", policy}, got); diff != "" {
					t.Errorf("settings of %s (-want +got):\n%s", name, diff)
				}
				if info.Partitions != 4 || info.Replication != 3 {
					t.Errorf("%s has %d partitions and %d replicas", name, info.Partitions, info.Replication)
				}
			}
		})
	}
}
