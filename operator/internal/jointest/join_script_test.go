package jointest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator/internal/operatortest"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// The scripts in testdata/join show the results of joins. Each record has a side, a key (- is null), an event time in
// milliseconds, and a value (- is null):
//
//	asof left grace 10ms
//	R k 15 a
//	L k 20 x
//	----
//	R k 15 a
//	L k 20 x
//	  (x, a) at 20                  a result
//	  deleted at 20                 a null: the row is not there any more
//	  late                          the record was not kept
//	  null key                      the record was skipped
//	  failed                        the record was skipped after an error
//
// The line "clock 5s" moves the clock.
//
// A result for another key than the record's is shown with that key. The definition "streamtable" joins the left stream with the
// table of the right topic, "tables" the tables of both, and "foreign" those by the part of a left row before the slash.
func TestJoinScripts(t *testing.T) {
	operatortest.RunScripts(t, "testdata/join", func(t *testing.T, definition []string) operatortest.Player {
		config := testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}}
		if slices.Contains(definition, "wait") {
			config.Start = time.UnixMilli(1_000_000) // event times do not move the clock then
		}
		return joinPlayer{testkit.New(t, joinTopology(t, definition), config)}
	})
}

var (
	joinLeft  = stream.NewTopic("left", codec.String(), codec.String())
	joinRight = stream.NewTopic("right", codec.String(), codec.String())
	joinOut   = stream.NewTopic("joined", codec.String(), codec.String())
)

type joinPlayer struct{ d *testkit.Driver }

func (p joinPlayer) Driver() *testkit.Driver { return p.d }

func (p joinPlayer) Play(t *testing.T, fields []string) (lines []string) {
	t.Helper()
	output := p.d.Output(joinOut)
	output.Read()
	if fields[0] == "clock" {
		p.d.Advance(operatortest.Duration(t, fields[1]))
		return joinResults(output, "")
	}
	if len(fields) != 4 {
		t.Fatalf("record %q: want side, key, time and value", fields)
	}
	r := testkit.Record[string, string]{
		Key: fields[1], Value: fields[3], Time: operatortest.Time(t, fields[2]), ValueNull: fields[3] == "-", KeyNull: fields[1] == "-",
		Headers: []weir.Header{{Key: "of", Value: []byte(fields[3])}},
	}
	topic := joinLeft
	if fields[0] == "R" {
		topic = joinRight
	}
	before := operatortest.Counts(p.d)
	p.d.Input(topic).SendRecords(r)
	lines = joinResults(output, r.Key)
	after := operatortest.Counts(p.d)
	if after.Late != before.Late {
		lines = append(lines, "late")
	}
	if after.NullKeys != before.NullKeys {
		lines = append(lines, "null key")
	}
	if after.Skipped != before.Skipped {
		lines = append(lines, "failed")
	}
	return lines
}

// joinResults returns the results that were not read yet. The key is shown of those that have another key.
func joinResults(output *testkit.Output[string, string], key string) (lines []string) {
	for _, result := range output.Read() {
		line := result.Value
		if result.ValueNull {
			line = "deleted"
		}
		if result.Key != key {
			line = result.Key + ": " + line
		}
		line += fmt.Sprintf(" at %d", result.Time.UnixMilli())
		for _, h := range result.Headers {
			line += fmt.Sprintf(" %s=%s", h.Key, h.Value)
		}
		lines = append(lines, line)
	}
	return lines
}

// joinTopology builds a topology from the definition of a script.
func joinTopology(t *testing.T, fields []string) *stream.Topology {
	t.Helper()
	has := func(name string) bool { return slices.Contains(fields, name) }
	duration := func(name string) time.Duration { return operatortest.Duration(t, fields[slices.Index(fields, name)+1]) }
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
		if has("wait") {
			d = d.Wait(duration("wait"))
		}
		for name, policy := range map[string]join.Overflow{"settle": join.SettleOldest, "drop": join.DropNewest, "fail": join.FailNewest} {
			if has(name) {
				d = d.MaxPerKey(2, policy)
			}
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
