package stream_test

import (
	"fmt"
	"time"

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
	stays    = stream.NewTopic("stays", codec.String(), codec.String())
)

// A booking names its hotel. When the hotel changes, so do the stays of all its bookings.
func ExampleTable_JoinForeignKey() {
	t := stream.NewTopology()
	t.Table(bookings).JoinForeignKey("stay", t.Table(hotels),
		func(b booking) (int, bool) { return b.Hotel, b.Hotel != 0 },
		func(b booking, h hotel) string { return b.Guest + " at " + h.Name },
	).To(stays)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(hotels).Send(1, hotel{"Ritz"}, time.Unix(0, 0))
		d.Input(bookings).Send("a", booking{"Ada", 1}, time.Unix(1, 0))
		d.Input(bookings).Send("b", booking{"Bob", 1}, time.Unix(2, 0))
		d.Input(hotels).Send(1, hotel{"Carlton"}, time.Unix(3, 0))
		d.Input(bookings).SendRecords(testkit.Record[string, booking]{Key: "a", ValueNull: true, Time: time.Unix(4, 0)})
		for _, r := range d.Output(stays).Read() {
			fmt.Printf("%s %q %v\n", r.Key, r.Value, r.ValueNull)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// a "Ada at Ritz" false
	// b "Bob at Ritz" false
	// a "Ada at Carlton" false
	// b "Bob at Carlton" false
	// a "" true
}

func ExampleTable_LeftJoinForeignKey() {
	t := stream.NewTopology()
	t.Table(bookings).LeftJoinForeignKey("stay", t.Table(hotels),
		func(b booking) (int, bool) { return b.Hotel, b.Hotel != 0 },
		func(b booking, h *hotel) string {
			if h == nil {
				return b.Guest
			}
			return b.Guest + " at " + h.Name
		},
	).To(stays)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(bookings).Send("a", booking{"Ada", 0}, time.Unix(1, 0))
		d.Input(bookings).Send("a", booking{"Ada", 1}, time.Unix(2, 0))
		d.Input(hotels).Send(1, hotel{"Ritz"}, time.Unix(3, 0))
		for _, r := range d.Output(stays).Read() {
			fmt.Println(r.Key, r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// a Ada
	// a Ada
	// a Ada at Ritz
}
