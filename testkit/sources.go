package testkit

import "math"

// mayRead is asked before each read of a source.
func (d *Driver) mayRead() bool {
	if d.reads <= 0 {
		return false
	}
	d.reads--
	return true
}

// ReadSources lets the sources of the topology read at most so many batches in all, and then runs the topology until nothing is left to
// do. Splits take turns in a fixed order. Sources read only here: a test decides how far they are. A source that waits for the time of the
// clock, such as source.Ticker, reads when the time has come. It returns the number of records that were read, and ends the test with an
// error of the application.
func (d *Driver) ReadSources(batches int) (records int64) {
	d.tb.Helper()
	records, err := d.TryReadSources(batches)
	if err != nil {
		d.tb.Fatal(err)
	}
	return records
}

// ReadSourcesToEnd is ReadSources for sources that have an end, or wait for the clock: until all have come to it.
func (d *Driver) ReadSourcesToEnd() (records int64) {
	d.tb.Helper()
	return d.ReadSources(math.MaxInt)
}

// TryReadSources is ReadSources but returns the error that ends the application.
func (d *Driver) TryReadSources(batches int) (records int64, err error) {
	d.tb.Helper()
	before := d.sourceRecords()
	d.reads = batches
	defer func() { d.reads = 0 }()
	err = d.run()
	return d.sourceRecords() - before, err
}

// sourceRecords returns how many records were read from sources since the application was started.
func (d *Driver) sourceRecords() (records int64) {
	for _, s := range d.Sources() {
		records += s.Records
	}
	return records
}

// SourceSlot is the state of a slot of a source.
type SourceSlot struct {
	// Source is the name of the source, Slot the number of the slot.
	Source string
	Slot   int32
	// Records is how many were read since the application was started.
	Records int64
	// Finished is how many splits are at their ends, and committed; Open how many are read, and Waiting how many are to be opened.
	Finished, Open, Waiting int
	// Done says that all splits are at their ends, and committed.
	Done bool
}

// Sources returns the states of the slots of all sources.
func (d *Driver) Sources() (slots []SourceSlot) {
	for _, w := range d.workers {
		for _, r := range w.Sources() {
			slots = append(slots, SourceSlot{
				Source: r.Source, Slot: r.Slot, Records: r.Records, Finished: r.Finished, Open: len(r.Splits), Waiting: r.Waiting, Done: r.Done,
			})
		}
	}
	return slots
}
