"""An import of something that is not there."""

import theorylab_has_no_such_friend

law = theorylab_has_no_such_friend.law
