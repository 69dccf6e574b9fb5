package tabletest_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

type booking struct {
	Guest string
	Hotel int // 0 is none
}

type hotel struct{ Name string }

var (
	bookings = stream.NewTopic("bookings", codec.String(), codec.JSON[booking]())
	hotels   = stream.NewTopic("hotels", codec.Int(), codec.JSON[hotel]())
	stays    = topic("stays")
)

func hotelOf(b booking) (int, bool) { return b.Hotel, b.Hotel != 0 }

// In the end the result is what a join of the final tables is, whatever the order of the changes, over several partitions, with
// restarts, crashes and both guarantees.
func TestAForeignKeyJoinComesToTheJoinOfTheTables(t *testing.T) {
	for _, left := range []bool{false, true} {
		for seed := range uint64(40) {
			t.Run(fmt.Sprintf("left=%v/seed=%d", left, seed), func(t *testing.T) { foreignKeyCase(t, left, seed) })
		}
	}
}

func foreignKeyCase(t *testing.T, left bool, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	topology := stream.NewTopology()
	show := func(b booking, h *hotel) string {
		if h == nil {
			return b.Guest + " at none"
		}
		return b.Guest + " at " + h.Name
	}
	l, right := topology.Table(bookings), topology.Table(hotels)
	var joined stream.Table[string, string]
	if left {
		joined = l.LeftJoinForeignKey("stay", right, hotelOf, show)
	} else {
		joined = l.JoinForeignKey("stay", right, hotelOf, func(b booking, h hotel) string { return show(b, &h) })
	}
	joined.To(stays)
	// Rows of the result are looked up, and are what was emitted.
	topology.From(pages).LeftJoinTable(joined, func(_ string, stay *string) string {
		if stay == nil {
			return "nothing"
		}
		return *stay
	}).To(words)
	d := testkit.New(t, topology, testkit.Config{
		Partitions: 3, Workers: 1 + r.IntN(2), ExactlyOnce: r.IntN(2) == 0, CheckpointRecords: 1 + r.IntN(20),
	})
	rows, places := map[string]booking{}, map[int]hotel{}
	for i := range 60 {
		at := time.Unix(int64(i), 0)
		if r.IntN(3) > 0 {
			key := strconv.Itoa(r.IntN(6))
			in := testkit.Record[string, booking]{Key: key, Value: booking{fmt.Sprint("guest", i), r.IntN(4)}, Time: at, ValueNull: r.IntN(5) == 0}
			if r.IntN(3) == 0 && rows[key].Hotel != 0 {
				in.Value.Hotel = rows[key].Hotel
			}
			delete(rows, key)
			if !in.ValueNull {
				rows[key] = in.Value
			}
			d.Input(bookings).SendRecords(in)
		} else {
			key := 1 + r.IntN(3)
			in := testkit.Record[int, hotel]{Key: key, Value: hotel{fmt.Sprint("hotel", i)}, Time: at, ValueNull: r.IntN(3) == 0}
			delete(places, key)
			if !in.ValueNull {
				places[key] = in.Value
			}
			d.Input(hotels).SendRecords(in)
		}
		switch r.IntN(12) {
		case 0:
			d.Restart()
		case 1:
			d.Crash(testkit.KeepState)
		case 2:
			d.Crash(testkit.LoseState)
		}
	}
	want := map[string]string{}
	for key, b := range rows {
		if h, ok := places[b.Hotel]; ok && b.Hotel != 0 {
			want[key] = show(b, &h)
		} else if left {
			want[key] = show(b, nil)
		}
	}
	got := map[string]string{}
	for _, out := range d.Output(stays).Read() {
		delete(got, out.Key)
		if !out.ValueNull {
			got[out.Key] = out.Value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the rows (-want +got):\n%s", diff)
	}
	for key := range 6 {
		d.Input(pages).Send(strconv.Itoa(key), "?", time.Unix(100, 0))
	}
	for _, out := range d.Output(words).Read() {
		row, ok := want[out.Key]
		if !ok {
			row = "nothing"
		}
		if out.Value != row {
			t.Errorf("row %s is looked up as %q, want %q", out.Key, out.Value, row)
		}
	}
}

// Tables of one topic can be joined: employees with their managers. And a result can be joined again.
func TestForeignKeyJoinsOfOneTableAndOfResults(t *testing.T) {
	topology := stream.NewTopology()
	staff := topology.Table(topic("staff")) // name,manager
	manager := func(row string) (string, bool) {
		_, m, ok := strings.Cut(row, ",")
		return m, ok
	}
	name := func(row string) string { return row[:strings.IndexAny(row+",", ",")] }
	bosses := staff.JoinForeignKey("boss", staff, manager, func(e, m string) string { return name(e) + "<" + m })
	bosses.JoinForeignKey("boss_of_boss", staff, manager, func(e, m string) string { return e[:strings.Index(e, ",")] + "<" + name(m) }).To(stays)
	if err := topology.Validate(); err != nil {
		t.Fatal(err)
	}
	d := testkit.New(t, topology, testkit.Config{Partitions: 2})
	in := d.Input(topic("staff"))
	for i, row := range []string{"1:Ada", "2:Bob,1", "3:Cyd,2", "1:Ann"} {
		key, value, _ := strings.Cut(row, ":")
		in.Send(key, value, time.Unix(int64(i), 0))
	}
	if diff := cmp.Diff([]string{"Cyd<Bob<Ada", "Cyd<Bob<Ann"}, d.Output(stays).Values()); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestMistakesInForeignKeyJoinsAreFound(t *testing.T) {
	topology := stream.NewTopology()
	left, right := topology.Table(bookings), topology.Table(hotels)
	show := func(b booking, h hotel) string { return b.Guest + h.Name }
	left.JoinForeignKey("a/b", right, hotelOf, show)
	left.JoinForeignKey("twice", right, hotelOf, show)
	left.JoinForeignKey("twice", right, hotelOf, show)
	left.JoinForeignKey("none", right, nil, show)
	left.LeftJoinForeignKey[int, hotel, string]("nothing", right, hotelOf, nil)
	left.JoinForeignKey("foreign", stream.NewTopology().Table(hotels), hotelOf, show)
	err, _ := topology.Validate().(*stream.ValidationError)
	if err == nil {
		t.Fatal("nothing was found")
	}
	var got []string
	for _, f := range err.Findings {
		if !strings.HasPrefix(f.Site, "tabletest/join_foreign_test.go:") {
			t.Errorf("%q is said of line %q", f.Problem, f.Site)
		}
		problem, _, _ := strings.Cut(f.Problem, "declared at")
		got = append(got, f.Node+": "+problem)
	}
	illegal := "the character at 1 is not a letter, digit, '.', '_' or '-', and the name is part of a topic's"
	want := []string{
		"joinforeignkey none: the function is nil",
		"joinforeignkey nothing: the function is nil",
		"joinforeignkey foreign: a table of another topology cannot be joined",
		"joinforeignkey a/b: name of the store: \"a/b\": " + illegal,
		"joinforeignkey twice: the store \"twice\" belongs to the operator ",
		"joinforeignkey-right a/b: name of the store: \"a/b_subscriptions\": " + illegal,
		"joinforeignkey-right twice: the store \"twice_subscriptions\" belongs to the operator ",
		"joinforeignkey twice: nothing reads this table: join it, or write it with To",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// The state of tables stays where it is when a join by a foreign key is added: their stream ids do not change.
func TestAForeignKeyJoinIsDescribed(t *testing.T) {
	topology := stream.NewTopology()
	topology.Table(bookings).JoinForeignKey("stay", topology.Table(hotels), hotelOf,
		func(b booking, h hotel) string { return b.Guest + h.Name }).To(stays)
	got := regexp.MustCompile(`  \(tabletest/\S+\)`).ReplaceAllString(topology.Describe(), "")
	want := `sub-topology bookings
  source bookings
    table table_bookings
        store table_bookings [changelog changelog__GROUP--bookings--table_bookings]
      joinforeignkey-left stay
        repartition stay_subscription [topic repartition__GROUP--bookings--stay_subscription]
        joinforeignkey stay
            store stay [changelog changelog__GROUP--bookings--stay]
          changes-1
            sink stays
  source stay_response [topic repartition__GROUP--hotels--stay_response]
    joinforeignkey stay (see above)

sub-topology hotels
  source hotels
    table table_hotels
        store table_hotels [changelog changelog__GROUP--hotels--table_hotels]
      joinforeignkey-changes stay
        joinforeignkey-right stay
            store stay_subscriptions [changelog changelog__GROUP--hotels--stay_subscriptions]
          repartition stay_response [topic repartition__GROUP--hotels--stay_response]
  source stay_subscription [topic repartition__GROUP--bookings--stay_subscription]
    joinforeignkey-right stay (see above)
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("description (-want +got):\n%s", diff)
	}
}
