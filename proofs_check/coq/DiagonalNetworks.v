(* Invariants of diagonal linear networks x_i = w_i^L, for all dimensions, depths, losses and data.

   The loss depends on x; r_i is its derivative in x_i at time t, any function of time. The flow is
       w_i' = - L r_i w_i^(L-1),     L = m + 2.
   The mirror map of x grows by r at a constant rate: (log w_i)' = - 2 r_i for L = 2, and
   (w_i^(2-L))' = L (L-2) r_i. So for a vector z with sum_i z_i r_i = 0 at all times (for a loss of A x, any z in the
   kernel of A), on every interval of time,
       sum_i z_i log w_i  (L = 2)   and   sum_i z_i w_i^(2-L)   are constant.
   With signs, x_i = a_i^L - b_i^L, the same r pulls b the other way: a_i b_i (L = 2) and a_i^(2-L) + b_i^(2-L) are
   constant for each i alone. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets reals topology normedtype derive sequences exp.
From mathcomp Require Import ring.
From theorylab Require Import Calculus.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Power.
Variables (R : realType) (I : set R) (m : nat).
Implicit Types (w a b r : R -> R).

Definition power_flow w r := derives I w (fun t => - (m.+2%:R * r t * w t ^+ m.+1)).

Lemma mirror_derivative w r : power_flow w r -> (forall t, I t -> w t != 0) ->
  derives I (fun t => (w t)^-1 ^+ m) (fun t => (m * m.+2)%:R * r t).
Proof.
rewrite /power_flow => flow w0; have D := @derives_power _ _ _ _ m (derives_inv flow w0).
apply: derives_eq D _ => t It.
rewrite natrM; case: m => [|k]; first by rewrite !mul0r.
have U : (w t)^-1 ^+ k * w t ^+ k = 1 by rewrite -exprMn mulVf ?expr1n ?w0.
rewrite -[RHS]mulr1 -[X in _ = _ * X]U !exprS /=.
by move: ((w t)^-1 ^+ k) (w t ^+ k) (w0 t It) => a b wt0; field.
Qed.

Lemma log_mirror_derivative w r : m = 0%N -> power_flow w r -> (forall t, I t -> 0 < w t) ->
  derives I (fun t => ln (w t)) (fun t => - (2 * r t)).
Proof.
rewrite /power_flow => m0 flow w0; apply: derives_eq (derives_ln flow w0) _ => t It.
by rewrite m0 expr1; field; rewrite gt_eqF ?w0.
Qed.

Theorem signed_plain_invariant a b r : is_interval I -> power_flow a r -> power_flow b (fun t => - r t) ->
  (forall t, I t -> a t != 0) -> (forall t, I t -> b t != 0) ->
  forall s t, I s -> I t -> (a s)^-1 ^+ m + (b s)^-1 ^+ m = (a t)^-1 ^+ m + (b t)^-1 ^+ m.
Proof.
move=> iI fa fb a0 b0; apply: (@zero_derivative_constant _ I (fun t => (a t)^-1 ^+ m + (b t)^-1 ^+ m) iI).
apply: derives_eq (derivesD (mirror_derivative fa a0) (mirror_derivative fb b0)) _ => t It; ring.
Qed.
End Power.

(* Depth 2 with signs: the product, whatever its signs. *)
Theorem signed_product_invariant (R : realType) (I : set R) (a b r : R -> R) : is_interval I ->
  power_flow I 0 a r -> power_flow I 0 b (fun t => - r t) ->
  forall s t, I s -> I t -> a s * b s = a t * b t.
Proof.
move=> iI fa fb; apply: (@zero_derivative_constant _ I (fun t => a t * b t) iI).
apply: derives_eq (derivesM fa fb) _ => t It; rewrite !expr1; ring.
Qed.

Section Network.
Variables (R : realType) (I : set R) (n m : nat) (w r : 'I_n -> R -> R) (z : 'I_n -> R).
Hypotheses (interval : is_interval I) (flow : forall i, power_flow I m (w i) (r i)).
Hypothesis kernel : forall t, I t -> \sum_i z i * r i t = 0.

Theorem plain_invariant : (forall i t, I t -> w i t != 0) ->
  forall s t, I s -> I t -> \sum_i z i * (w i s)^-1 ^+ m = \sum_i z i * (w i t)^-1 ^+ m.
Proof.
move=> w0; apply: (@zero_derivative_constant _ I (fun t => \sum_i z i * (w i t)^-1 ^+ m) interval).
have D := derives_sum (fun i => @derivesZ _ I (z i) _ _ (mirror_derivative (@flow i) (w0 i))).
apply: derives_eq D _ => t It.
rewrite (eq_bigr (fun i => (m * m.+2)%:R * (z i * r i t))); first by rewrite -mulr_sumr kernel // mulr0.
by move=> i _; ring.
Qed.

Theorem plain_log_invariant : m = 0%N -> (forall i t, I t -> 0 < w i t) ->
  forall s t, I s -> I t -> \sum_i z i * ln (w i s) = \sum_i z i * ln (w i t).
Proof.
move=> m0 w0; apply: (@zero_derivative_constant _ I (fun t => \sum_i z i * ln (w i t)) interval).
have D := derives_sum (fun i => @derivesZ _ I (z i) _ _ (log_mirror_derivative m0 (@flow i) (w0 i))).
apply: derives_eq D _ => t It.
rewrite (eq_bigr (fun i => - 2 * (z i * r i t))); first by rewrite -mulr_sumr kernel // mulr0.
by move=> i _; ring.
Qed.
End Network.

Print Assumptions signed_plain_invariant.
Print Assumptions signed_product_invariant.
Print Assumptions plain_invariant.
Print Assumptions plain_log_invariant.
