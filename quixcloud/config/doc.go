// Package config looks up configurations of the Quix configuration service, for Stream.JoinLookup.
//
// The service publishes an event for each version of a configuration on a topic: its type, the key that it is for, when it
// becomes valid, and the URL of its content. [Open] reads the topic from the beginning to the end, goes on following it
// until Close, and fetches contents when records ask for them:
//
//	configurations, err := config.Open(ctx, config.Config{Brokers: brokers, Topic: "configurations"})
//	if err != nil { ... }
//	defer configurations.Close()
//
//	limits := configurations.Contents(codec.JSON[Limits]())
//	readings.JoinLookupRecord(limits, func(_ context.Context, r weir.Record[string, Reading]) (config.Query, error) {
//		return config.Query{Type: "limits", TargetKey: r.Key, Time: r.Time()}, nil
//	}, check)
//
// [Configurations.Contents] decodes whole contents into a Go type. [Configurations.Fields] picks values out of contents, of
// one type or of several, by JSONPath, and gives rows.
//
// # Which version counts
//
// A query names a type, a key and a time. It finds the configuration of the key, or, only if there is none, that of the key
// "*". Of the versions that are valid from that time or earlier it takes the one with the highest number, so that a new
// version overrides older ones also for the time before it was published. Versions that were deleted do not count any more.
//
// A record finds the versions that the topic holds when the record is processed. A replay may find more than the first run did.
//
// # Failures
//
// Content that cannot be fetched, or differs from the SHA-256 sum of its event, is fetched again with the first record that
// needs it after a pause, which doubles from Config.RetryBase up to Config.RetryMax; in between nothing is sent.
// Config.Fallback decides about records meanwhile, and Config.Grace lets them wait for a while.
//
// That goes for a server that does not answer within Config.RequestTimeout, too.
//
// If the topic cannot be followed, that is tried again for as long as it takes, and [Configurations.Err] says why. Lookups use
// the last known versions for Config.BrokerTimeout. Then they are unavailable ([ErrStale]): workers hold their input back until
// the topic is back, and no record is lost.
package config
