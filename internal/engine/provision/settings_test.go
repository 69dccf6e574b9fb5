package provision_test

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

const (
	ever         = "9223372036854775807"
	subscription = "repartition__g--left--far_subscription"
	response     = "repartition__g--right--far_response"
)

// farJoin is a foreign-key join: two changelogs on each side, and two attached topics.
func farJoin() *stream.Topology {
	topology := stream.NewTopology()
	text := func(name string) stream.Topic[string, string] {
		return stream.NewTopic(name, codec.String(), codec.String())
	}
	topology.Table(text("left")).JoinForeignKey("far", topology.Table(text("right")),
		func(row string) (string, bool) { return row, true }, func(l, r string) string { return l + r }).Stream().Peek(func(string) {})
	return topology
}

// farJoinOfGroups is a foreign-key join of tables that are made of groupings, and a grouping of its results.
func farJoinOfGroups() *stream.Topology {
	topology := stream.NewTopology()
	table := func(name string) stream.Table[string, string] {
		in := topology.From(stream.NewTopic(name, codec.String(), codec.String()))
		return stream.TableOf(in.GroupBy("by", func(v string) string { return v }), name)
	}
	table("left").JoinForeignKey("far", table("right"),
		func(row string) (string, bool) { return row, true }, func(l, r string) string { return l + r }).Stream().
		GroupByKey("again").Peek(func(string) {})
	return topology
}

// globalJoin keeps, and groups, records that are joined with a row of a global table.
func globalJoin() *stream.Topology {
	topology := stream.NewTopology()
	right := topology.GlobalTable(stream.NewTopic("right", codec.String(), codec.String()))
	joined := topology.From(stream.NewTopic("left", codec.String(), codec.String())).
		JoinGlobal(right, func(v string) string { return v }, func(l, r string) string { return l + r })
	stream.TableOf(joined, "rows").Stream().GroupBy("values", func(v string) string { return v }).
		Reduce(store.NewCell[string]("last"), func(_, next string) string { return next }).Peek(func(string) {})
	return topology
}

// picky are settings of an input that take less, and keep it shorter, than internal topics may.
var picky = map[string]string{
	"retention.ms": "1000", "retention.bytes": "10", "max.message.bytes": "31000000", "message.timestamp.type": "LogAppendTime",
	"message.timestamp.before.max.ms": "5000", "message.timestamp.after.max.ms": "5000",
}

func TestInternalTopicsTakeAndKeepWhatTheirInputsTake(t *testing.T) {
	const inFront = "repartition__g--left--by" // of farJoinOfGroups, which sees the left input alone
	for _, c := range []struct {
		name     string
		topology *stream.Topology
		inputs   []string
		// small is the input that takes no large records: what comes from the others goes everywhere.
		small string
	}{
		{"repartition", pipeline(), []string{"orders"}, ""},
		{"foreign-key join", farJoin(), []string{"left", "right"}, ""},
		{"foreign-key join with large rows on the right", farJoin(), []string{"left", "right"}, "left"},
		{"foreign-key join with large rows on the left", farJoin(), []string{"left", "right"}, "right"},
		{"foreign-key join behind a repartition with large rows", farJoinOfGroups(), []string{"left", "right"}, "left"},
		{"global table with large rows", globalJoin(), []string{"left", "right"}, "left"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var exist []broker.TopicSpec
			for _, name := range c.inputs {
				config := maps.Clone(picky)
				if name == c.small {
					config["max.message.bytes"] = "1000"
				}
				exist = append(exist, broker.TopicSpec{Name: name, Partitions: 2, Config: config})
			}
			for _, name := range []string{"totals", "windows"} {
				exist = append(exist, broker.TopicSpec{Name: name, Partitions: 1})
			}
			b, partitions, err := prepare(t, c.topology, false, exist...)
			if err != nil {
				t.Fatal(err)
			}
			infos, err := b.Topics(t.Context(), slices.Collect(maps.Keys(partitions))...)
			if err != nil {
				t.Fatal(err)
			}
			seen := 0
			for name, info := range infos {
				if !strings.Contains(name, "__g--") {
					continue
				}
				seen++
				want := map[string]string{
					"retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": "31065536", "message.timestamp.type": "CreateTime",
					"message.timestamp.before.max.ms": ever, "message.timestamp.after.max.ms": ever,
				}
				if name == inFront {
					want["max.message.bytes"] = "66536"
				}
				got := map[string]string{}
				for setting := range want {
					got[setting] = info.Config[setting]
				}
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Errorf("settings of %s (-want +got):\n%s", name, diff)
				}
			}
			if seen < 3 {
				t.Errorf("%d internal topics seen: %v", seen, b.TopicNames())
			}
		})
	}
}

// The limit of the configuration counts when it is greater than those of the inputs.
func TestTheConfigurationRaisesTheSizeOfRecordsOfInternalTopics(t *testing.T) {
	for bytes, want := range map[int]string{0: "1114124", 5_000_000: "5000000", 10: "1048588", 1 << 30: "104792064"} {
		b := simbroker.New(clock.NewVirtual(begin))
		for _, name := range []string{"orders", "totals", "windows"} {
			if err := b.CreateTopic(broker.TopicSpec{Name: name, Partitions: 1, Replication: -1}); err != nil {
				t.Fatal(err)
			}
		}
		topology := pipeline()
		if err := topology.Validate(); err != nil {
			t.Fatal(err)
		}
		_, err := provision.Prepare(t.Context(), b, graph.NewPlan(topology.Graph(), groupName),
			provision.Options{MaxRecordBytes: bytes, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		infos, err := b.Topics(t.Context(), repartition, totalChangelog)
		if err != nil {
			t.Fatal(err)
		}
		for name, info := range infos {
			if got := info.Config["max.message.bytes"]; got != want {
				t.Errorf("MaxRecordBytes %d: %s of %s, want %s", bytes, got, name, want)
			}
		}
	}
}

// Topics of the user that are made have settings that only the cluster knows.
func TestInternalTopicsFollowInputsThatAreMade(t *testing.T) {
	b, partitions, err := prepare(t, pipeline(), true)
	if err != nil {
		t.Fatal(err)
	}
	infos, err := b.Topics(t.Context(), repartition, totalChangelog)
	if err != nil {
		t.Fatal(err)
	}
	if len(partitions) != 6 || infos[repartition].Config["max.message.bytes"] != "1114124" || infos[totalChangelog].Config["max.message.bytes"] != "1114124" {
		t.Errorf("partitions %v, topics %v", partitions, infos)
	}
}

// Settings of an earlier version, or of an administrator, that lose or refuse records are said and changed.
func TestInternalTopicsThatWouldLoseRecordsAreMended(t *testing.T) {
	const leftChangelog = "changelog__g--left--table_left"
	old := map[string]string{
		"retention.ms": "604800000", "retention.bytes": "5", "message.timestamp.type": "LogAppendTime", "message.timestamp.after.max.ms": "3600000",
	}
	b := simbroker.New(clock.NewVirtual(begin))
	for name, config := range map[string]map[string]string{
		"left": nil, "right": picky, subscription: old, response: old, leftChangelog: {"cleanup.policy": "compact", "retention.ms": "5", "max.message.bytes": "1000"},
	} {
		if err := b.CreateTopic(broker.TopicSpec{Name: name, Partitions: 1, Replication: -1, Config: config}); err != nil {
			t.Fatal(err)
		}
	}
	topology := farJoin()
	if err := topology.Validate(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	plan, options := graph.NewPlan(topology.Graph(), groupName), provision.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	planned, err := provision.DryRun(t.Context(), b, plan, options)
	if err != nil {
		t.Fatal(err)
	}
	mended := map[string]string{
		"retention.ms": "-1", "retention.bytes": "-1", "message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": ever,
		"max.message.bytes": "31065536",
	}
	want := map[string]map[string]string{
		subscription: mended, response: mended,
		// Retention has no effect on what is compacted.
		leftChangelog: {"max.message.bytes": "31065536"},
	}
	if diff := gocmp.Diff(want, planned.Changes); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	before, err := b.Topics(t.Context(), subscription)
	if err != nil || before[subscription].Config["retention.ms"] != "604800000" {
		t.Fatalf("the plan changed %v (%v)", before, err)
	}
	if _, err := provision.Prepare(t.Context(), b, plan, options); err != nil {
		t.Fatal(err)
	}
	for topic, settings := range want {
		infos, err := b.Topics(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		for setting, value := range settings {
			if got := infos[topic].Config[setting]; got != value {
				t.Errorf("%s of %s is %q, want %q", setting, topic, got, value)
			}
			if !strings.Contains(log.String(), "topic="+topic+" setting="+setting+" ") {
				t.Errorf("the log does not tell of %s of %s:\n%s", setting, topic, log.String())
			}
		}
	}
}

// A cluster that does not let the application change topics must not let it lose records.
func TestATopicThatCannotBeMendedIsAnErrorIfItLosesRecords(t *testing.T) {
	for _, c := range []struct {
		name   string
		config map[string]string
		fails  bool
	}{
		{"finite retention", map[string]string{"retention.ms": "5"}, true},
		{"a limit of timestamps", map[string]string{"retention.ms": "-1", "message.timestamp.after.max.ms": "5"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused := errors.New("no right to alter")
			b := simbroker.New(clock.NewVirtual(begin))
			for name, config := range map[string]map[string]string{"orders": nil, "totals": nil, "windows": nil, repartition: c.config} {
				if err := b.CreateTopic(broker.TopicSpec{Name: name, Partitions: 1, Replication: -1, Config: config}); err != nil {
					t.Fatal(err)
				}
			}
			b.OnCall = func(op simbroker.Op) error {
				if op.Kind == simbroker.OpConfigureTopics {
					return refused
				}
				return nil
			}
			topology := pipeline()
			if err := topology.Validate(); err != nil {
				t.Fatal(err)
			}
			_, err := provision.Prepare(t.Context(), b, graph.NewPlan(topology.Graph(), groupName), provision.Options{Logger: slog.New(slog.DiscardHandler)})
			if c.fails != errors.Is(err, refused) || !c.fails && err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A cluster lists its settings with each topic, and Kafka's documentation has the others: a mistyped name stands in neither.
func TestNamesOfDeclaredSettingsAreChecked(t *testing.T) {
	config := map[string]string{"retention.mss": "5000", "segment.jitter.ms": "7", "retention.ms": "604800000"}
	topology := stream.NewTopology()
	rows := topology.GlobalTable(stream.NewTopic("rows", codec.String(), codec.String()).WithConfig(config))
	topology.From(orders.WithConfig(config)).JoinGlobal(rows, func(order) string { return "" }, func(o order, _ string) order { return o }).
		To(stream.NewTopic("out", codec.String(), codec.JSON[order]()).WithConfig(config))
	if err := topology.Validate(); err != nil {
		t.Fatal(err)
	}
	const unlisted, unknown, perhaps = "segment.jitter.ms, which this cluster does not list", "retention.mss, and neither", "retention.mss, and Kafka has no"
	for _, c := range []struct {
		name               string
		exist              []string
		warnings, problems []string // how they begin
	}{
		{"all exist", []string{"orders", "out", "rows", "letters"}, []string{"orders", "out", "rows", "Config"}, []string{"orders", "out", "rows", "Config"}},
		{"some exist", []string{"out"}, []string{"out"}, []string{"orders", "out", "rows", "Config"}},
		{"none exists", nil, []string{"orders", "out", "rows", "Config"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := simbroker.New(clock.NewVirtual(begin))
			for _, name := range c.exist {
				if err := b.CreateTopic(broker.TopicSpec{Name: name, Partitions: 1, Replication: -1, Config: map[string]string{"cleanup.policy": "delete", "retention.ms": "604800000"}}); err != nil {
					t.Fatal(err)
				}
			}
			plan := graph.NewPlan(topology.Graph(), groupName)
			plan.DeadLetters = "letters"
			got, err := provision.DryRun(t.Context(), b, plan, provision.Options{
				Create: true, Logger: slog.New(slog.DiscardHandler), DeadLetters: weir.DeadLetterOptions{Config: config},
			})
			if err != nil {
				t.Fatal(err)
			}
			warning := unlisted
			if c.exist == nil {
				warning = perhaps
			}
			for _, list := range []struct {
				kind, text string
				want, got  []string
			}{{"warnings", warning, c.warnings, got.Warnings}, {"problems", unknown, c.problems, got.Problems}} {
				list.got = slices.DeleteFunc(list.got, func(s string) bool { return !strings.Contains(s, " sets ") })
				for _, begins := range list.want {
					if n := len(list.got); !slices.ContainsFunc(list.got, func(s string) bool {
						return (strings.HasPrefix(s, "topic \""+begins+"\"") && strings.Contains(s, "settings_test.go:") || strings.HasPrefix(s, begins)) && strings.Contains(s, list.text)
					}) || n != len(list.want) {
						t.Errorf("%s %q, want one each of %q that says %q", list.kind, list.got, list.want, list.text)
					}
				}
				if len(list.want) == 0 && len(list.got) > 0 {
					t.Errorf("%s %q, want none", list.kind, list.got)
				}
			}
		})
	}
}

// A declaration that the cluster contradicts is an error if other records are kept than the program expects.
func TestDeclaredSettingsAreComparedWithTheTopic(t *testing.T) {
	topology := stream.NewTopology()
	declared := orders.WithPartitions(4).WithConfig(map[string]string{"retention.ms": "5000", "cleanup.policy": "delete", "segment.ms": "7"})
	topology.From(declared).To(stream.NewTopic("out", codec.String(), codec.JSON[order]()).WithConfig(map[string]string{"cleanup.policy": "compact"}))
	if err := topology.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name               string
		orders, out        map[string]string
		partitions         int32
		warnings, problems []string
	}{
		{
			name: "as declared", partitions: 4, orders: map[string]string{"retention.ms": "5000", "segment.ms": "7"},
			out: map[string]string{"cleanup.policy": "compact"},
		},
		{
			name: "other numbers", partitions: 3, orders: map[string]string{"retention.ms": "1000", "segment.ms": "8"},
			out:      map[string]string{"cleanup.policy": "compact,delete"},
			warnings: []string{"has 3 partitions, and 4 are declared", "retention.ms=1000, and 5000 is declared", "segment.ms=8", "cleanup.policy=compact,delete, and compact"},
		},
		{
			name: "other policies", partitions: 4, orders: map[string]string{"retention.ms": "5000", "segment.ms": "7", "cleanup.policy": "compact"},
			out: map[string]string{"cleanup.policy": "delete"}, problems: []string{`"orders"`, `"out"`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := simbroker.New(clock.NewVirtual(time.Unix(0, 0)))
			for name, spec := range map[string]broker.TopicSpec{
				"orders": {Name: "orders", Partitions: c.partitions, Config: c.orders}, "out": {Name: "out", Partitions: 1, Config: c.out},
			} {
				spec.Replication = -1
				if err := b.CreateTopic(spec); err != nil {
					t.Fatal(name, err)
				}
			}
			plan, err := provision.DryRun(t.Context(), b, graph.NewPlan(topology.Graph(), groupName), provision.Options{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			for _, list := range []struct {
				what      string
				want, got []string
			}{{"warnings", c.warnings, plan.Warnings}, {"problems", c.problems, plan.Problems}} {
				if len(list.got) != len(list.want) {
					t.Errorf("%s %q, want %q", list.what, list.got, list.want)
				}
				for _, text := range list.want {
					if !slices.ContainsFunc(list.got, func(s string) bool {
						return strings.Contains(s, text) && strings.Contains(s, "settings_test.go:")
					}) {
						t.Errorf("%s %q do not say %q", list.what, list.got, text)
					}
				}
			}
		})
	}
}

// A topic that is read and written, or read twice, has each problem once, with all places that declare it.
func TestAProblemOfATopicThatIsDeclaredTwiceIsNamedOnce(t *testing.T) {
	table := stream.NewTopic("table", codec.String(), codec.String()).WithConfig(map[string]string{"cleanup.policy": "compact"})
	topology := stream.NewTopology()
	rows := topology.GlobalTable(table)
	moved := topology.From(orders.WithPartitions(2))
	moved.JoinGlobal(rows, func(o order) string { return o.Shop }, func(o order, _ string) order { return o }).Peek(func(order) {})
	topology.From(table).Map(func(shop string) order { return order{Shop: shop} }).To(orders.WithPartitions(2))
	if err := topology.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		exist    []broker.TopicSpec
		problems []string
		warnings []string
	}{
		{"missing", nil, []string{`topic "orders"`, `topic "table"`}, nil},
		{
			"other settings",
			[]broker.TopicSpec{{Name: "orders", Partitions: 1}, {Name: "table", Partitions: 1, Config: map[string]string{"cleanup.policy": "delete"}}},
			[]string{`topic "table"`},
			[]string{"has 1 partitions, and 2 are declared"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := simbroker.New(clock.NewVirtual(time.Unix(0, 0)))
			for _, spec := range c.exist {
				spec.Replication = -1
				if err := b.CreateTopic(spec); err != nil {
					t.Fatal(err)
				}
			}
			plan, err := provision.DryRun(t.Context(), b, graph.NewPlan(topology.Graph(), groupName), provision.Options{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			if len(plan.Problems) != len(c.problems) {
				t.Fatalf("problems %q, want those of %q", plan.Problems, c.problems)
			}
			for i, want := range c.problems {
				if !strings.Contains(plan.Problems[i], want) || strings.Count(plan.Problems[i], "settings_test.go:") != 2 {
					t.Errorf("problem %q, want one of %q with two places", plan.Problems[i], want)
				}
			}
			declared := slices.DeleteFunc(plan.Warnings, func(w string) bool {
				return !strings.Contains(w, "declared, has") && !strings.Contains(w, "are declared")
			})
			if len(declared) != len(c.warnings) {
				t.Fatalf("warnings %q, want those of %q", plan.Warnings, c.warnings)
			}
			for i, want := range c.warnings {
				if !strings.Contains(declared[i], want) || strings.Count(declared[i], "settings_test.go:") != 2 {
					t.Errorf("warning %q, want one of %q with two places", declared[i], want)
				}
			}
		})
	}
}
