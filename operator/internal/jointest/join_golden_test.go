package jointest_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator/internal/operatortest"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// goldenJoin is one recording of a join. Times are in milliseconds.
type goldenJoin struct {
	ID          int                `json:"id"`
	Kind        string             `json:"kind"`
	How         string             `json:"how"`
	OnMerge     string             `json:"on_merge"`
	Grace       int64              `json:"grace"`
	Backward    int64              `json:"backward"`
	Forward     int64              `json:"forward"`
	CommitEvery int                `json:"commit_every"` // records from one checkpoint to the next; 0 is at the end
	Inputs      []goldenJoinInput  `json:"inputs"`
	Outputs     []goldenJoinOutput `json:"outputs"`
}

type goldenJoinInput struct {
	Side  string   `json:"s"`
	Key   *string  `json:"k"`
	Value *row.Row `json:"v"`
	Time  int64    `json:"t"`
}

type goldenJoinOutput struct {
	I       int         `json:"i"` // the input that caused it
	Key     *string     `json:"k"`
	Time    int64       `json:"t"`
	Headers [][2]string `json:"h"`
	Value   row.Row     `json:"v"`
}

func (o goldenJoinOutput) String() string {
	key := "null"
	if o.Key != nil {
		key = *o.Key
	}
	return fmt.Sprintf("%d: %s %v at %d, headers %q", o.I, key, o.Value, o.Time, o.Headers)
}

var (
	goldenLeft   = stream.NewTopic("left", codec.String(), row.JSON())
	goldenRight  = stream.NewTopic("right", codec.String(), row.JSON())
	goldenJoined = stream.NewTopic("joined", codec.String(), row.JSON())
)

// goldenSides merges two sides as the recordings with on_merge=custom do.
func goldenSides[L, R row.Side](l L, r R) row.Row {
	value := func(side any) row.Value {
		switch s := side.(type) {
		case row.Row:
			if !s.IsNil() {
				return s.Value()
			}
		case *row.Row:
			if s != nil && !s.IsNil() {
				return s.Value()
			}
		}
		return row.Null()
	}
	return row.New(row.F("l", value(l)), row.F("r", value(r)))
}

// merging returns the function that merges two sides as the recording does. It panics if sides with on_merge=raise have a
// column in common, which is an error of the record.
func merging[L, R row.Side](onMerge string) func(L, R) row.Row {
	switch onMerge {
	case "raise":
		return func(l L, r R) row.Row {
			merged, err := row.MergeDistinct(l, r)
			if err != nil {
				panic(err)
			}
			return merged
		}
	case "keep-left":
		return row.MergeKeepLeft[L, R]
	case "keep-right":
		return row.MergeKeepRight[L, R]
	}
	return goldenSides[L, R]
}

func (c *goldenJoin) topology() *stream.Topology {
	type R = row.Row
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	topology := stream.NewTopology()
	left, right := topology.From(goldenLeft), topology.From(goldenRight)
	var out stream.Stream[string, R]
	interval := join.Within(ms(c.Backward), ms(c.Forward)).Grace(ms(c.Grace))
	switch c.Kind + " " + c.How {
	case "asof inner":
		out = left.JoinAsOf(right, join.AsOf{}.Grace(ms(c.Grace)), merging[R, R](c.OnMerge))
	case "asof left":
		out = left.LeftJoinAsOf(right, join.AsOf{}.Grace(ms(c.Grace)), merging[R, *R](c.OnMerge))
	case "interval inner":
		out = left.JoinInterval(right, interval, merging[R, R](c.OnMerge))
	case "interval left":
		out = left.LeftJoinInterval(right, interval, merging[R, *R](c.OnMerge))
	case "interval right":
		out = left.RightJoinInterval(right, interval, merging[*R, R](c.OnMerge))
	default:
		out = left.OuterJoinInterval(right, interval, merging[*R, *R](c.OnMerge))
	}
	out.To(goldenJoined)
	return topology
}

// run processes the inputs one by one. between is called after each that ends in a checkpoint.
func (c *goldenJoin) run(t *testing.T, between func(*testkit.Driver)) (outputs []goldenJoinOutput) {
	t.Helper()
	driver := testkit.New(t, c.topology(), testkit.Config{})
	inputs := map[string]*testkit.Input[string, row.Row]{"left": driver.Input(goldenLeft), "right": driver.Input(goldenRight)}
	output := driver.Output(goldenJoined)
	for i, in := range c.Inputs {
		r := testkit.Record[string, row.Row]{
			ValueNull: in.Value == nil, KeyNull: in.Key == nil, Time: time.UnixMilli(in.Time),
			Headers: []weir.Header{{Key: "h", Value: []byte(in.Side)}},
		}
		if in.Key != nil {
			r.Key = *in.Key
		}
		if in.Value != nil {
			r.Value = *in.Value
		}
		inputs[in.Side].SendRecords(r)
		for _, r := range output.Read() {
			o := goldenJoinOutput{I: i, Time: r.Time.UnixMilli(), Value: r.Value}
			if !r.KeyNull {
				o.Key = &r.Key
			}
			for _, h := range r.Headers {
				o.Headers = append(o.Headers, [2]string{h.Key, string(h.Value)})
			}
			outputs = append(outputs, o)
		}
		if c.CommitEvery > 0 && (i+1)%c.CommitEvery == 0 {
			between(driver)
		}
	}
	return outputs
}

// goldenJoinRules are the differences that are meant, each on its own. Without any, goldenJoins is Quix Streams 3.28.1, whose
// rules the numbers of its specification name; with all, it is Weir.
type goldenJoinRules struct {
	skipNullKeys bool // null keys do not match each other (J-4)
	onlyNulls    bool // right values that are empty are values (J-10)
	staysLate    bool // the as-of join does not forget at a checkpoint which records are late, and keeps none of them (J-12, J-13)
	bothWays     bool // interval joins look before and after each record (J-21)
	expireAtOnce bool // interval joins forget by the time of the partition, not of the key, and not at checkpoints (J-22)
}

var weirJoinRules = goldenJoinRules{skipNullKeys: true, onlyNulls: true, staysLate: true, bothWays: true, expireAtOnce: true}

var goldenJoinDifferences = map[string]goldenJoinRules{
	"null keys match each other":                  {skipNullKeys: true},
	"right values that are empty count as absent": {onlyNulls: true},
	"at each checkpoint, the as-of join forgets which records are late, and accepts them again":                     {staysLate: true},
	"an interval join looks back from the later of two records only, and misses pairs that come in the other order": {bothWays: true},
	"interval joins forget records by the time of their key, at checkpoints":                                        {expireAtOnce: true},
}

// joinValue is a record that a join keeps.
type joinValue struct {
	t     int64
	value *row.Row
}

// goldenJoins applies the rules to the inputs of a case.
func goldenJoins(c *goldenJoin, rules goldenJoinRules) (outputs []goldenJoinOutput) {
	merge := merging[*row.Row, *row.Row](c.OnMerge)
	kept := map[string]map[string][]joinValue{"left": {}, "right": {}}
	watermarks := map[string]map[string]int64{"left": {}, "right": {}}
	reached := int64(-1 << 40)
	for i, in := range c.Inputs {
		key := "null"
		if in.Key != nil {
			key = "key " + *in.Key
		}
		emit := func(left, right *row.Row) {
			o := goldenJoinOutput{I: i, Key: in.Key, Time: in.Time, Value: merge(left, right)}
			if c.Kind == "asof" {
				o.Headers = [][2]string{{"h", in.Side}}
			}
			outputs = append(outputs, o)
		}
		switch {
		case in.Key == nil && rules.skipNullKeys:
		case c.Kind == "asof" && in.Side == "right":
			if rules.staysLate && in.Time < watermarks["right"][key] {
				break
			}
			watermarks["right"][key] = max(watermarks["right"][key], in.Time-c.Grace)
			list := slices.DeleteFunc(kept["right"][key], func(x joinValue) bool { return x.t == in.Time })
			kept["right"][key] = append(list, joinValue{in.Time, in.Value})
		case c.Kind == "asof":
			var match *joinValue
			for _, x := range kept["right"][key] {
				if x.t >= watermarks["right"][key] && x.t <= in.Time && (match == nil || x.t > match.t) {
					match = &x
				}
			}
			switch {
			case match != nil && match.value != nil && (rules.onlyNulls || match.value.Len() > 0):
				emit(in.Value, match.value)
			case c.How == "left":
				emit(in.Value, nil)
			}
		default:
			reached = max(reached, in.Time)
			before, after, other := c.Backward, c.Forward, "right"
			if in.Side == "right" {
				before, after, other = c.Forward, c.Backward, "left"
			}
			if !rules.bothWays {
				after = 0
			}
			from, isLate := in.Time-before, false
			if rules.expireAtOnce {
				from, isLate = max(from, reached-c.Grace-max(before, after)), in.Time < reached-c.Grace
			}
			if !isLate {
				kept[in.Side][key] = append(kept[in.Side][key], joinValue{in.Time, in.Value})
			}
			watermarks[in.Side][key] = max(watermarks[in.Side][key], in.Time-c.Grace)
			var matches []joinValue
			for _, x := range kept[other][key] {
				if from <= x.t && x.t <= in.Time+after {
					matches = append(matches, x)
				}
			}
			slices.SortStableFunc(matches, func(a, b joinValue) int { return cmp.Compare(a.t, b.t) })
			pair := func(mine, other *row.Row) {
				if in.Side == "right" {
					mine, other = other, mine
				}
				emit(mine, other)
			}
			for _, x := range matches {
				pair(in.Value, x.value)
			}
			if len(matches) == 0 && (c.How == in.Side || c.How == "outer") {
				pair(in.Value, nil)
			}
		}
		if c.CommitEvery > 0 && (i+1)%c.CommitEvery == 0 {
			forget(c, rules, kept, watermarks)
		}
	}
	return outputs
}

// forget drops expired records at a checkpoint, as the original does.
func forget(c *goldenJoin, rules goldenJoinRules, kept map[string]map[string][]joinValue, watermarks map[string]map[string]int64) {
	if c.Kind == "interval" && rules.expireAtOnce {
		return
	}
	for side, keys := range kept {
		for key, list := range keys {
			watermark := watermarks[side][key]
			keys[key] = slices.DeleteFunc(list, func(x joinValue) bool { return x.t < watermark })
		}
		if c.Kind == "interval" || !rules.staysLate {
			clear(watermarks[side])
		}
	}
}

func joinTexts(outputs []goldenJoinOutput) (texts []string) {
	for _, o := range outputs {
		texts = append(texts, o.String())
	}
	return texts
}

// As TestGoldenWindowsDifferOnlyAsMeant, for joins.
func TestGoldenJoinsDifferOnlyAsMeant(t *testing.T) {
	counts := map[string]int{}
	for name := range goldenJoinDifferences {
		counts[name] = 0
	}
	for _, c := range operatortest.ReadGolden[goldenJoin](t, "joins.jsonl") {
		original := joinTexts(goldenJoins(&c, goldenJoinRules{}))
		if diff := gocmp.Diff(joinTexts(c.Outputs), original); diff != "" {
			t.Errorf("joins.jsonl %d: the rules of the original (-recorded +rules):\n%s", c.ID, diff)
		}
		want := joinTexts(goldenJoins(&c, weirJoinRules))
		for name, between := range map[string]func(*testkit.Driver){"checkpoints": (*testkit.Driver).Checkpoint, "restarts": (*testkit.Driver).Restart} {
			if diff := gocmp.Diff(want, joinTexts(c.run(t, between))); diff != "" {
				t.Errorf("joins.jsonl %d, with %s: Weir (-rules +results):\n%s", c.ID, name, diff)
			}
		}
		for name, rules := range goldenJoinDifferences {
			if !slices.Equal(joinTexts(goldenJoins(&c, rules)), original) {
				counts[name]++
			}
		}
	}
	operatortest.CheckDifferences(t, counts)
}
