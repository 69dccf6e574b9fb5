// Package testkit runs topologies in tests: the real engine, on a broker in memory, with a clock that moves when it is
// told to. There is no goroutine, no port and no waiting.
//
//	d := testkit.New(t, Topology(), testkit.Config{})
//	trades, alerts := d.Input(Trades), d.Output(Alerts)
//
//	trades.Send("ACME", Trade{Price: 101}, time.UnixMilli(0))
//	alerts.ExpectValues(Alert{Symbol: "ACME", Price: 101})
//
//	d.Crash(testkit.LoseState) // state is then restored from the changelogs
//
// Send returns after the record and all its consequences are processed; [Driver.Together] writes records to several topics
// before any is read. Checkpoints happen as they
// do in production: when the clock is moved, when enough has changed, and when the application stops.
//
// Global tables are brought up to date before anything else is processed: in production there is no such order.
//
// [Run] does the same outside of a test.
package testkit
