package testkit

// Together calls send, whose records of all inputs are written before the first of them is read, and then runs the topology until
// nothing is left to do. So a test decides how records of several topics lie next to each other: for equal times, and for joins
// that wait for their other side. An error ends the test.
//
//	d.Together(func() {
//		trades.Send("ACME", trade, at)
//		prices.Send("ACME", price, at)
//	})
//
// send must not do anything else with the driver: its other methods would find a topology that has not run.
func (d *Driver) Together(send func()) {
	d.tb.Helper()
	if err := d.TryTogether(send); err != nil {
		d.tb.Fatal(err)
	}
}

// TryTogether is Together but returns the error that ends the application, as [Input.TrySendRecords] does.
func (d *Driver) TryTogether(send func()) error {
	d.tb.Helper()
	if d.together {
		d.tb.Fatal("Together is called within Together")
	}
	d.gather(send)
	return d.run()
}

// gather calls send, which may end the test.
func (d *Driver) gather(send func()) {
	d.together = true
	defer func() { d.together = false }()
	send()
}
