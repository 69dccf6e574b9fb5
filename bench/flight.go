package main

import (
	"time"

	"github.com/weirstreams/weir/window"
)

// Flight is one flight, as in examples/flights. The event time of its record is the time of departure.
type Flight struct {
	Date        string `json:"date"`
	Delay       int    `json:"delay"`    // minutes; negative if early
	Distance    int    `json:"distance"` // miles
	Origin      string `json:"origin"`
	Destination string `json:"destination"`
}

// dateLayout is how Date is written. Dates are local times without a zone, and taken as UTC.
const dateLayout = "2006/01/02 15:04"

// Late is the output of the stateless scenario for a late flight.
type Late struct {
	Route    string `json:"route"`
	Delay    int    `json:"delay"`
	Distance int    `json:"distance"`
}

func isLate(f Flight) bool { return f.Delay > 0 }

func toLate(f Flight) Late {
	return Late{Route: f.Origin + "-" + f.Destination, Delay: f.Delay, Distance: f.Distance}
}

// isComplete is the filter of the windowed scenario. It lets every flight pass: each has to come out of its window.
func isComplete(f Flight) bool { return f.Origin != "" && f.Date != "" }

// Delays are the delays of the flights that left an airport within an hour.
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

// Hour is a result of the windowed scenario. The floor writes the same type, so that outputs can be compared.
type Hour = window.Result[Delays]

const windowSize = time.Hour
