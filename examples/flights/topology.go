package main

import (
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// Flight is one flight. The event time of its record is the time of departure.
type Flight struct {
	Date        string `json:"date"`
	Delay       int    `json:"delay"`    // minutes; negative if early
	Distance    int    `json:"distance"` // miles
	Origin      string `json:"origin"`
	Destination string `json:"destination"`
}

// Delays are the delays of the flights that left an airport within some time.
type Delays struct {
	Flights int     `json:"flights"`
	Sum     int     `json:"sum"`
	Mean    float64 `json:"mean"`
	Max     int     `json:"max"`
}

// Add counts a flight.
func (d *Delays) Add(f Flight) {
	if d.Flights == 0 || f.Delay > d.Max {
		d.Max = f.Delay
	}
	d.Flights++
	d.Sum += f.Delay
	d.Mean = float64(d.Sum) / float64(d.Flights)
}

// Topics are the topics of the pipeline. Their records are as old as the flights: without a limit on retention, so that
// the cluster does not delete them at once.
type Topics struct {
	Flights stream.Topic[string, Flight]                // by state of the origin
	Totals  stream.Topic[string, Delays]                // by airport: all flights so far
	Hours   stream.Topic[string, window.Result[Delays]] // by airport: one record per hour
}

// NewTopics names the topics.
func NewTopics(prefix string, partitions int32) Topics {
	keep := map[string]string{"retention.ms": "-1"}
	return Topics{
		Flights: stream.NewTopic(prefix, codec.String(), codec.JSON[Flight]()).WithPartitions(partitions).WithConfig(keep),
		Totals:  stream.NewTopic(prefix+"-totals", codec.String(), codec.JSON[Delays]()).WithPartitions(partitions).WithConfig(keep),
		Hours:   stream.NewTopic(prefix+"-hours", codec.String(), codec.JSON[window.Result[Delays]]()).WithPartitions(partitions).WithConfig(keep),
	}
}

// totals holds the delays of each airport so far.
var totals = store.NewCell[Delays]("totals")

// Topology declares the pipeline. read and grouped are called for every flight that is read, and for every one that has
// come to its airport; either may be nil.
func Topology(topics Topics, read, grouped func(Flight)) *stream.Topology {
	t := stream.NewTopology()

	byAirport := t.From(topics.Flights).
		Peek(orNothing(read)).
		Filter(func(f Flight) bool { return f.Origin != "" && f.Date != "" }).
		GroupBy("origin", func(f Flight) string { return f.Origin }).
		Peek(orNothing(grouped))

	byAirport.
		MapState(totals, func(total *store.Cell[Delays], f Flight) Delays {
			d, _ := total.Get()
			d.Add(f)
			total.Set(d)
			return d
		}).
		To(topics.Totals)

	byAirport.
		Window(window.Tumbling(time.Hour)).
		Aggregate(window.Custom(
			func() Delays { return Delays{} },
			func(d *Delays, f Flight) { d.Add(f) },
			func(d *Delays) Delays { return *d },
		)).
		Final().
		To(topics.Hours)

	return t
}

func orNothing(f func(Flight)) func(Flight) {
	if f == nil {
		return func(Flight) {}
	}
	return f
}
