package operator_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// The scripts say what joins do:
//
//	asof left grace 10ms            the definition, first
//	# EX-38                         a remark
//	R k 15 a                        side, key (- is null), event time in milliseconds, value (- is null)
//	L k 20 x
//	  (x, a) at 20                  what comes of it
//	  deleted at 20                 a null: the row is not there any more
//	  late                          it was not kept
//	  null key                      it was skipped
//
// A result for another key than the record's is shown with that key. The definition "streamtable" joins the left stream with the
// table of the right topic, "tables" the tables of both, and "foreign" those by what is before the slash in a left row.
func TestJoinScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/join/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scripts: ", err)
	}
	between := []struct {
		name string
		do   func(*testkit.Driver)
	}{
		{"undisturbed", func(*testkit.Driver) {}},
		{"restarted", (*testkit.Driver).Restart},
		{"crashed", func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.KeepState) }},
		{"crashed with loss of state", func(d *testkit.Driver) { d.Checkpoint(); d.Crash(testkit.LoseState) }},
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(path, []byte(runJoinScript(t, string(script), between[0].do)), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for _, b := range between {
				t.Run(b.name, func(t *testing.T) {
					if diff := cmp.Diff(string(script), runJoinScript(t, string(script), b.do)); diff != "" {
						t.Errorf("%s (-want +got):\n%s", path, diff)
					}
				})
			}
		})
	}
}

var (
	joinLeft  = stream.NewTopic("left", codec.String(), codec.String())
	joinRight = stream.NewTopic("right", codec.String(), codec.String())
	joinOut   = stream.NewTopic("joined", codec.String(), codec.String())
)

func runJoinScript(t *testing.T, script string, between func(*testkit.Driver)) string {
	t.Helper()
	var out strings.Builder
	var d *testkit.Driver
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] == "#":
			fmt.Fprintln(&out, line)
			continue
		case strings.HasPrefix(line, " "):
			continue // results of the last run
		}
		fmt.Fprintln(&out, line)
		if d == nil {
			d = testkit.New(t, joinTopology(t, fields))
			continue
		}
		if len(fields) != 4 {
			t.Fatalf("record %q: want side, key, time and value", line)
		}
		millis, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		r := testkit.Record[string, string]{
			Key: fields[1], Value: fields[3], Time: time.UnixMilli(millis), ValueNull: fields[3] == "-", KeyNull: fields[1] == "-",
			Headers: []weir.Header{{Key: "of", Value: []byte(fields[3])}},
		}
		topic := joinLeft
		if fields[0] == "R" {
			topic = joinRight
		}
		before := joinCounts(d)
		output := d.Output(joinOut)
		output.Read()
		d.Input(topic).SendRecords(r)
		for _, result := range output.Read() {
			fmt.Fprint(&out, "  ")
			if result.Key != r.Key {
				fmt.Fprint(&out, result.Key, ": ")
			}
			value := result.Value
			if result.ValueNull {
				value = "deleted"
			}
			fmt.Fprintf(&out, "%s at %d", value, result.Time.UnixMilli())
			for _, h := range result.Headers {
				fmt.Fprintf(&out, " %s=%s", h.Key, h.Value)
			}
			fmt.Fprintln(&out)
		}
		after := joinCounts(d)
		if after.Late != before.Late {
			fmt.Fprintln(&out, "  late")
		}
		if after.NullKeys != before.NullKeys {
			fmt.Fprintln(&out, "  null key")
		}
		between(d)
	}
	return out.String()
}

func joinCounts(d *testkit.Driver) (sum testkit.Task) {
	for _, task := range d.Tasks() {
		sum.Late += task.Late
		sum.NullKeys += task.NullKeys
	}
	return sum
}

// joinTopology builds what the first line of a script defines.
func joinTopology(t *testing.T, fields []string) *stream.Topology {
	t.Helper()
	has := func(name string) bool { return slices.Contains(fields, name) }
	duration := func(name string) time.Duration {
		d, err := time.ParseDuration(fields[slices.Index(fields, name)+1])
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	show := func(v *string) string {
		switch {
		case v == nil:
			return "null"
		case *v == "":
			return "zero"
		}
		return *v
	}
	pair := func(l, r *string) string { return "(" + show(l) + ", " + show(r) + ")" }
	inner := func(l, r string) string { return pair(&l, &r) }
	topology := stream.NewTopology()
	if fields[0] == "tables" || fields[0] == "foreign" {
		tableScript(topology, fields[0], has, pair).To(joinOut)
		return topology
	}
	if fields[0] == "streamtable" {
		table := topology.Table(joinRight)
		if left := topology.From(joinLeft); has("left") {
			left.LeftJoinTable(table, func(l string, r *string) string { return pair(&l, r) }).To(joinOut)
		} else {
			left.JoinTable(table, inner).To(joinOut)
		}
		return topology
	}
	left, right := topology.From(joinLeft), topology.From(joinRight)
	var out stream.Stream[string, string]
	switch fields[0] {
	case "asof":
		var d join.AsOf
		if has("grace") {
			d = d.Grace(duration("grace"))
		}
		if has("tolerance") {
			d = d.Tolerance(duration("tolerance"))
		}
		if has("forward") {
			d = d.Forward()
		}
		if has("nearest") {
			d = d.Nearest()
		}
		if has("duplicates") {
			d = d.KeepDuplicates()
		}
		if has("left") {
			out = left.LeftJoinAsOf(right, d, func(l string, r *string) string { return pair(&l, r) })
		} else {
			out = left.JoinAsOf(right, d, inner)
		}
	case "interval":
		d := join.Within(duration("before"), duration("after"))
		if has("grace") {
			d = d.Grace(duration("grace"))
		}
		if has("final") {
			d = d.UnmatchedWhenFinal()
		}
		switch {
		case has("left"):
			out = left.LeftJoinInterval(right, d, func(l string, r *string) string { return pair(&l, r) })
		case has("right"):
			out = left.RightJoinInterval(right, d, func(l *string, r string) string { return pair(l, &r) })
		case has("outer"):
			out = left.OuterJoinInterval(right, d, pair)
		default:
			out = left.JoinInterval(right, d, inner)
		}
	default:
		t.Fatalf("definition %q", fields)
	}
	out.To(joinOut)
	return topology
}

// tableScript joins the tables of both topics.
func tableScript(
	topology *stream.Topology, kind string, has func(string) bool, pair func(l, r *string) string,
) stream.Table[string, string] {
	left, right := topology.Table(joinLeft), topology.Table(joinRight)
	inner := func(l, r string) string { return pair(&l, &r) }
	unmatched := func(l string, r *string) string { return pair(&l, r) }
	foreignKey := func(row string) (string, bool) { key, _, ok := strings.Cut(row, "/"); return key, ok }
	switch {
	case kind == "foreign" && has("left"):
		return left.LeftJoinForeignKey("join", right, foreignKey, unmatched)
	case kind == "foreign":
		return left.JoinForeignKey("join", right, foreignKey, inner)
	case has("left"):
		return left.LeftJoin(right, unmatched)
	case has("outer"):
		return left.OuterJoin(right, pair)
	}
	return left.Join(right, inner)
}
