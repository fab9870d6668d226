// All triggers' values as one string: one change however many of them change, none while the condition is false.
(state, front, ...values) => $when ? JSON.stringify(values) : state
