// Package filelock locks files between processes, on each system in its way. The system ends a lock with the process, however that ends.
package filelock
