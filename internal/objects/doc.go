// Package objects has the calls that the sinks and sources of object stores make: with deadlines, attempts and errors that name the bucket, the key
// and the missing permission. Packages below it have the sink, the source, and the connection to each store.
package objects
