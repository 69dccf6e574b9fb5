package saramabroker

import "log/slog"

// outage logs when something stops working and when it works again, and nothing in between.
type outage struct {
	log  *slog.Logger
	what string
	on   bool
}

func (o *outage) note(err error) {
	switch {
	case err != nil && !o.on:
		o.log.Warn("cannot "+o.what+", trying again", "error", err)
	case err == nil && o.on:
		o.log.Info("can " + o.what + " again")
	}
	o.on = err != nil
}
